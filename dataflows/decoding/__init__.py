"""Bytes to typed columns, with an exact verdict for every row."""
