"""The breaker by an injected clock."""

from agents.llm.breaker import Breaker


def test_opens_after_failures_in_a_row_and_tries_once() -> None:
    breaker = Breaker(failures=3, rest=100)
    for now in (0, 1):
        assert breaker.allow(now)
        breaker.failure(now)
    breaker.success()
    for now in (2, 3, 4):
        assert breaker.allow(now)
        breaker.failure(now)
    assert not breaker.allow(5) and breaker.state(5) == "open" and breaker.ready_at() == 104
    assert breaker.state(104) == "half_open"
    assert breaker.allow(104) and not breaker.allow(104)
    breaker.failure(105)
    assert not breaker.allow(106) and breaker.allow(205)
    breaker.success()
    assert breaker.state(205) == "closed" and breaker.allow(205)


def test_given_up_frees_the_try_and_counts_nothing() -> None:
    breaker = Breaker(failures=1, rest=10)
    breaker.failure(0)
    assert breaker.allow(10) and not breaker.allow(10)
    breaker.given_up()
    assert breaker.allow(11)


def test_pause() -> None:
    breaker = Breaker()
    breaker.pause(50)
    breaker.pause(20)
    assert not breaker.allow(49) and breaker.allow(50)
