"""Pure operators on batches: state in, state and outcomes out."""
