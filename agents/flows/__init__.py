"""Flags that the rules did not decide, as rows that go from stage to stage."""
