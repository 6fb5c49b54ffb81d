"""The handbook's published features, from the library beside the checkout."""

from benchmarks.handbook import differing, run


def test_features_equal_the_published_ones() -> None:
    """Customers on all but 24 rows (ties in the file's order), terminals on every row."""
    counts = differing(run()[0])
    assert max(count for name, count in counts.items() if name.startswith("c_")) <= 24
    assert max(count for name, count in counts.items() if name.startswith("t_")) == 0
