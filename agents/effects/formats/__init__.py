"""What endpoints are sent, one format a file."""
