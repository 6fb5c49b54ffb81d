"""Bytewax around it: sources, stages and sinks, in one process or in several."""
