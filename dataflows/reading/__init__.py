"""From an input's partition to judged rows on their way to the shards that hold their keys."""
