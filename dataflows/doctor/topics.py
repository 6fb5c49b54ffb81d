"""Topics as they are set up, against what the application does with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dataflows.connectors.kafka.described import Described
from dataflows.connectors.kafka.needed import Need
from dataflows.doctor.findings import Finding, fault, ok, warning
from dataflows.doctor.memory import longest
from models.application.resolved.application import Application
from models.application.resolved.sources import Stream, Table
from models.expressions.text import interval_text

_ROOM = 262_144
"""Bytes that a flag with all its evidence may have."""
_FOR_EVER = -1


class Use(NamedTuple):
    """A topic, and what an application does with it."""

    application: Application
    need: Need
    topic: Described

    @property
    def about(self) -> str:
        """Its name in findings."""
        return f"topic {self.need.connection}/{self.need.topic}"

    @property
    def sources(self) -> list[Stream | Table]:
        """The streams and tables that read it."""
        application = self.application
        every: dict[str, Stream | Table] = {**application.tables, **application.streams}
        return [every[name] for name in self.need.by if name in every]


def topic_findings(application: Application, need: Need, topic: Described | None) -> list[Finding]:
    """What is to be said of one topic, None where it does not exist: one line where all is well."""
    if topic is None:
        name = f"topic {need.connection}/{need.topic}"
        make = "make it with tocsin topics --create" if need.access == "write" else "create it"
        text = f"it does not exist; it is {need.access.replace('write', 'written')} for {', '.join(need.by)}"
        return [fault(name, text, f"{make}, or correct its name")]
    use = Use(application, need, topic)
    found = [*_replicas(use)]
    if topic.settings is None:
        found.append(warning(use.about, "its settings cannot be seen", "allow the login DescribeConfigs to have them checked"))
    else:
        found += [*(_read(use) if need.access == "read" else _written(use))]
    if any(each.level == "fault" for each in found):
        return found
    return [ok(use.about, f"{topic.partitions} partition(s), {_access(use)}"), *found]


def _access(use: Use) -> str:
    return f"{'read' if use.need.access == 'read' else 'written'} for {', '.join(use.need.by)}"


def _replicas(use: Use) -> Iterator[Finding]:
    topic = use.topic
    if topic.leaderless:
        yield fault(use.about, f"partition(s) {_list(topic.leaderless)} have no leader", "start the broker that holds them")
    elif topic.short:
        text = f"partition(s) {_list(topic.short)} have replicas that lag behind"
        yield warning(use.about, text, "look after the brokers that hold them")


def _read(use: Use) -> Iterator[Finding]:
    settings = use.topic.settings or {}
    streams = [source for source in use.sources if isinstance(source, Stream)]
    tables = [source for source in use.sources if isinstance(source, Table)]
    policy = settings.get("cleanup.policy", "")
    if streams and "compact" in policy:
        cure = "set its cleanup.policy to delete"
        yield fault(use.about, f"it is compacted: of each key only the last event stays for stream {streams[0].name}", cure)
    if tables and policy == "delete" and _number(settings, "retention.ms") not in (None, _FOR_EVER):
        cure = "set its cleanup.policy to compact, or its retention.ms to -1"
        yield warning(use.about, f"rows of table {tables[0].name} that do not change are deleted after retention.ms", cure)
    yield from (each for stream in streams for each in _retention(use, stream))
    yield from (each for stream in streams for each in _timestamps(use, stream))


def _retention(use: Use, stream: Stream) -> Iterator[Finding]:
    settings = use.topic.settings or {}
    millis = _number(settings, "retention.ms")
    if millis is None or millis == _FOR_EVER or settings.get("cleanup.policy") == "compact":
        return
    kept = millis * 1000
    window, whose = longest(use.application)
    if kept <= stream.lateness:
        late = f"stream {stream.name} takes events that are {interval_text(stream.lateness)} late"
        text = f"records are deleted after {interval_text(kept)}, while {late}"
        yield fault(use.about, text, f"raise its retention.ms above {stream.lateness // 1000}")
    elif kept < window + stream.lateness:
        lacks = f"{whose} looks {interval_text(window)} back: a run that begins anew lacks the rest"
        cure = f"raise its retention.ms to at least {(window + stream.lateness) // 1000}, and run with --state"
        yield warning(use.about, f"records are deleted after {interval_text(kept)}; {lacks}", cure)


def _timestamps(use: Use, stream: Stream) -> Iterator[Finding]:
    """``max_ahead`` holds a wrong clock back only where another clock made the record's timestamp."""
    settings = use.topic.settings or {}
    kind = settings.get("message.timestamp.type")
    if kind != "CreateTime" or stream.max_ahead is None:
        return
    after = _number(settings, "message.timestamp.after.max.ms")
    if after is None or after * 1000 > stream.max_ahead:
        text = "producers set the records' timestamps, from which max_ahead cannot tell that a producer's clock is ahead"
        most = f"message.timestamp.after.max.ms to {stream.max_ahead // 1000} or less"
        yield warning(use.about, text, f"set its message.timestamp.type to LogAppendTime, or {most}")


def _written(use: Use) -> Iterator[Finding]:
    settings = use.topic.settings or {}
    what = ", ".join(use.need.by)
    if "compact" in settings.get("cleanup.policy", ""):
        yield fault(use.about, f"it is compacted: of each key only the last of {what} stays", "set its cleanup.policy to delete")
    least = _number(settings, "min.insync.replicas")
    if least is not None and least > use.topic.replicas:
        text = f"it takes no records: min.insync.replicas is {least}, and it has {use.topic.replicas} replica(s)"
        yield fault(use.about, text, "lower min.insync.replicas, or add replicas")
    most = _number(settings, "max.message.bytes")
    if most is not None and most < _ROOM:
        text = f"it takes records of at most {most:,} bytes: a larger one of {what} ends the run"
        yield warning(use.about, text, f"raise its max.message.bytes to {_ROOM} or more")


def _number(settings: object, name: str) -> int | None:
    try:
        return int(settings[name])  # type: ignore[index]
    except (KeyError, ValueError):
        return None


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
