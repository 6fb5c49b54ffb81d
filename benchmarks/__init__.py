"""Figures: each a ratio within one run, since machines differ and are noisy."""
