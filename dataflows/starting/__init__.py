"""A starter application from a sample of a file."""
