"""Kafka: topics as partitions of streams and tables, and as sinks."""
