"""An application as keyed stages: what each needs, carries and remembers."""
