"""What the responder tells of itself: metrics, logs, traces."""
