"""Tests of sequences against a brute-force reference."""
