"""The state directory of a run: what is saved, whose it is, and how to go on from it."""
