"""Migrations of the ledger, run by ``agents.ledger.migrate``."""
