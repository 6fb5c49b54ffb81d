"""What a decision does to the world: webhooks, topics, notifications, mail; each at least once, under one key."""
