"""What a sample says of a stream or table: rows that cannot be read, disorder, clocks, keys, silent partitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from dataflows.doctor.findings import Finding, fault, ok, warning
from dataflows.doctor.sample import Part, Sample
from models.application.resolved.sources import Stream, Table
from models.expressions.text import interval_text

_SECOND = 1_000_000
_QUIET = 60 * _SECOND
"""Microseconds without a record after which a partition counts as silent beside others that are not."""
_HISTORY = 86_400 * _SECOND
"""Records that reach a topic so long after their events were loaded, not produced as they happened."""
_MANY_NULLS = 0.1


def input_findings(sample: Sample, max_dead: float, now: int) -> list[Finding]:
    """All that a sample says; ``now`` is this machine's clock (microseconds)."""
    source = sample.source
    about = f"{'stream' if isinstance(source, Stream) else 'table'} {source.name}"
    if not sample.rows:
        return [warning(about, "its topics hold no records: nothing could be tried", "send some, and ask again")]
    found = [*_dead(about, sample, max_dead), *_clock(about, sample, now)]
    if isinstance(source, Stream):
        found += [*_order(about, sample, source), *_delay(about, sample, source), *_promise(about, sample, source)]
        found += [*_nulls(about, sample), *_silent(about, sample, source, now)]
    else:
        found += _unnamed(about, sample, source)
    if any(each.level == "fault" for each in found):
        return found
    where = f"the last {sample.rows:,} records of {len(sample.parts)} partition(s)"
    return [ok(about, f"{where} were read{_measured(sample)}"), *found]


def _measured(sample: Sample) -> str:
    worst = max((int(part.disorder.max()) for part in sample.parts if len(part.disorder)), default=0)
    return f"; at most {_rounded(worst)} out of order" if isinstance(sample.source, Stream) else ""


def _dead(about: str, sample: Sample, max_dead: float) -> Iterator[Finding]:
    dead = [row for part in sample.parts for row in part.dead]
    if not dead:
        return
    reason, count = Counter(row.reason for row in dead).most_common(1)[0]
    first = next(row for row in dead if row.reason == reason)
    place = f"{first.topic}, partition {first.partition}, offset {first.offset}"
    text = f"{len(dead):,} of {sample.rows:,} records are dead letters, {count:,} for {reason}: {first.detail} ({place})"
    cure = "make fields, types and format fit the records, or have them mended where they are written"
    if len(dead) > max_dead * sample.rows:
        yield fault(about, f"{text}; more than max_dead ({max_dead:.0%}) end a run", cure)
    else:
        yield warning(about, text, cure)


def _clock(about: str, sample: Sample, now: int) -> Iterator[Finding]:
    """Records from the future: of the clocks of brokers, producers and this machine not all are right."""
    newest = max((part.newest for part in sample.parts if part.newest is not None), default=now)
    if newest > now + _SECOND:
        text = f"the newest record's timestamp is {_rounded(newest - now)} ahead of this machine's clock"
        yield warning(about, text, "set the clocks of brokers, producers and this machine by NTP: silence is judged by them")


def _order(about: str, sample: Sample, source: Stream) -> Iterator[Finding]:
    disorder = _joined([part.disorder for part in sample.parts])
    late = int((disorder > source.lateness).sum())
    if late:
        worst = _rounded(int(disorder.max()))
        allowed = f"lateness ({interval_text(source.lateness)}) allows: up to {worst}"
        text = f"{late:,} of {len(disorder):,} events are further out of order than {allowed}; they would be late"
        yield warning(about, text, f"raise lateness towards {worst}")


def _delay(about: str, sample: Sample, source: Stream) -> Iterator[Finding]:
    ahead = _joined([part.ahead for part in sample.parts])
    if not len(ahead):
        return
    if (most := int(ahead.max())) > _SECOND:
        text = f"event times are up to {_rounded(most)} ahead of their records' timestamps"
        yield warning(about, text, "set the producers' clocks by NTP: an event ahead makes those behind it late")
    delay = int(np.percentile(-ahead, 99))
    if source.idle_after + source.lateness < delay <= _HISTORY:
        text = f"99 of 100 events reach the topic up to {_rounded(delay)} after their time"
        late = f"idle_after is {interval_text(source.idle_after)}: after a silence such events are late"
        yield warning(about, f"{text}; {late}", f"raise idle_after to {_rounded(delay)}")


def _promise(about: str, sample: Sample, source: Stream) -> Iterator[Finding]:
    where: dict[tuple[object, ...], int] = {}
    broken = 0
    for part in sample.parts:
        broken += sum(where.setdefault(key, part.place.number) != part.place.number for key in part.keys)
    if broken:
        by = ", ".join(source.partitioned_by)
        text = f"{broken:,} of {len(where):,} keys lie in two partitions, against partitioned_by: {by}: their flags would be wrong"
        yield fault(about, text, f"have the topic written by {by}, or remove partitioned_by")


def _nulls(about: str, sample: Sample) -> Iterator[Finding]:
    nulls = sum((part.nulls for part in sample.parts), Counter[str]())
    for name, count in nulls.items():
        if count > _MANY_NULLS * sample.rows:
            text = f"{name} is null in {count:,} of {sample.rows:,} records: they take no part in what is by {name}"
            yield warning(about, text, "check the field's name and path, and who writes it")


def _silent(about: str, sample: Sample, source: Stream, now: int) -> Iterator[Finding]:
    quiet = [part for part in sample.parts if part.newest is None or now - part.newest > _QUIET]
    if source.partitioned_by or not 0 < len(quiet) < len(sample.parts):
        return
    wait = interval_text(source.idle_after)
    text = f"partition(s) {_numbers(quiet)} are silent while others are busy: every flag waits {wait} more for them"
    yield warning(about, text, "use partitioned_by where the topic is keyed, a smaller idle_after, or fewer partitions")


def _unnamed(about: str, sample: Sample, source: Table) -> Iterator[Finding]:
    unnamed = sum(part.unnamed for part in sample.parts)
    if source.format == "debezium" and unnamed:
        text = f"{unnamed:,} of {sample.rows:,} records have no key: a deletion does not say whose it is"
        yield warning(about, text, "give the database's table a primary key, or REPLICA IDENTITY FULL")


def _joined(parts: list[np.ndarray]) -> np.ndarray:  # type: ignore[type-arg]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _numbers(parts: list[Part]) -> str:
    by_topic: Mapping[str, list[str]] = {part.place.topic: [] for part in parts}
    for part in parts:
        by_topic[part.place.topic].append(str(part.place.number))
    return "; ".join(", ".join(numbers) + (f" of {topic}" if len(by_topic) > 1 else "") for topic, numbers in by_topic.items())


def _rounded(microseconds: int) -> str:
    """A span in the unit that it is read in: whole seconds from ten on, tenths of one below."""
    step = _SECOND if microseconds >= 10 * _SECOND else 100_000 if microseconds >= _SECOND else 1_000
    return interval_text(-(-microseconds // step) * step)
