"""Flags from files and Kafka, recorded once each."""
