"""Facts added from outside the stream."""
