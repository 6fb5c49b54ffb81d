"""The ledger: the responder's durable core on SQLite or PostgreSQL."""
