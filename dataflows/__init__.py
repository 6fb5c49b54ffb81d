"""The engine and its wiring: from sources through stages to flags."""
