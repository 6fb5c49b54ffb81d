"""A suppression that tells what becomes of each hit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dataflows.operators.suppress import Burst, Offer, Suppressor
from dataflows.tracing.attempts import Ending, Identity
from models.events.hit import Hit
from models.expressions.text import interval_text, time_text

Tell = Callable[[Identity, Ending], None]
"""Is told of a hit, by what identifies it, that it did not go out, or not yet."""


def identity(hit: Hit) -> Identity:
    """What tells a hit from the others of its pattern and key."""
    return hit.kind, tuple(tuple(part) if isinstance(part, list) else part for part in hit.anchor), hit.deadline


class TracedSuppressor(Suppressor):
    """The suppression of a pattern; takes the place of another that has seen nothing yet."""

    def __init__(self, inner: Suppressor, tell: Tell) -> None:
        super().__init__(inner.pattern, {}, inner.show)
        self.sums = inner.sums
        self.tell = tell
        self.merged: dict[int, list[Identity]] = {}

    def take(self, offer: Offer) -> Iterator[Hit]:
        """Take a hit; what goes out because of it."""
        key = self.keys.get(offer.slot)
        until = None if key is None else key.until
        who, moment = identity(offer.hit()), offer.moment
        out = list(super().take(offer))
        key = self.keys.get(offer.slot)
        if key is not None and key.burst is not None:
            self.merged.setdefault(key.burst.number, []).append(who)
            for each in self.merged[key.burst.number]:
                self.tell(each, self._gathered(key.burst))
        elif not out and until is not None and moment < until:
            self.tell(who, Ending("suppressed", moment, f"suppressed: the cooldown lasts until {time_text(until)}"))
        elif not out:
            self.tell(who, self._spent(moment))
        elif self.rules.batch_max is not None:
            self.tell(who, Ending("suppressed", moment, f"in one flag with the hits before it at {time_text(moment)}"))
        yield from out

    def _release(self, key: Any, last: Hit | None) -> Iterator[Hit]:
        burst: Burst = key.burst
        out = list(super()._release(key, last))
        for who in self.merged.pop(burst.number, ()):
            told = f"in one flag of {burst.count} hits at {time_text(burst.due)}"
            self.tell(who, Ending("suppressed", burst.due, told) if out else self._spent(burst.due))
        yield from out

    def _gathered(self, burst: Burst) -> Ending:
        what = "debounce" if self.rules.debounce else "batch"
        words = f"gathered by {what} with {burst.count} hits; one flag for all is due at {time_text(burst.due)}"
        return Ending("open", None, words)

    def _spent(self, moment: int) -> Ending:
        over = interval_text(self.rules.limit_over or 0)
        return Ending("suppressed", moment, f"suppressed: the limit of {self.rules.limit_count} flags in {over} was reached")
