"""Asking people: tasks, who has them, for how long, and their answers."""
