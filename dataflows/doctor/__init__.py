"""What a live run needs, looked at before it begins: every finding with its cure."""
