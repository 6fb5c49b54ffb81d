"""Batches of typed rows: what flows between operators, how it waits, and how it shows itself."""
