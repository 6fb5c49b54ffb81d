"""The application file: loading, checking, resolving."""
