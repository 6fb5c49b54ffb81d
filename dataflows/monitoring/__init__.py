"""What a run counts and tells while it runs."""
