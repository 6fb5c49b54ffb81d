"""Tests of what is told of keys."""
