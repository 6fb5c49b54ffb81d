"""Streaming anomaly scores."""
