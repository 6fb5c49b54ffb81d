"""Asking a model: what it may see, what it may say, what it may cost."""
