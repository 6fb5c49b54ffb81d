"""Matching of sequences: a compiled program, the machine that runs it, and rows in and hits out."""
