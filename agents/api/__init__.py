"""The responder's HTTP API: what there is, answers to tasks, deliveries, silences, budgets, and what happens as it happens."""
