"""Events as contracts: evidence, hits, flags, dead letters, ids."""
