"""Which responder answers a flag, and what keeps it from any: silences, inhibition, expiry."""
