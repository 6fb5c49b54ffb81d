"""The starter application as commented YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflows.starting.inference import Guess, moments
from dataflows.starting.roles import Roles, busiest, lateness
from dataflows.starting.sample import Sample
from models.application.reader import is_reserved
from models.expressions.text import interval_text
from models.values.types import Kind

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NOT_PLAIN = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_LARGEST = 20
"""The largest threshold of the example, whose test has as many lines."""
_COLUMN = 34
"""Where comments begin."""


@dataclass(frozen=True, slots=True)
class Starter:
    """All that a starter application is made of; ``source``: the file's path as the application shall name it.

    settings: of the connection whose topic ``source`` is, None for a file.
    """

    command: str
    name: str
    stream: str
    source: str
    sample: Sample
    fields: Sequence[Guess]
    roles: Roles
    settings: Mapping[str, str] | None = None

    @property
    def most(self) -> int:
        """The most events of one key within ten minutes; 0 where that is not known."""
        if self.roles.time is None or self.sample.format == "debezium":
            return 0
        return busiest(moments(self.roles.time), None if self.roles.by is None else self.roles.by.seen.values, 600_000_000)

    @property
    def threshold(self) -> int:
        """What the example's count must be above: few keys of the sample are."""
        return min(max(self.most - 1, 1), _LARGEST) if self.most else 3

    @property
    def table(self) -> str:
        """The name of the table that changes make."""
        return self.stream.removesuffix("_changes")

    def text(self) -> str:
        """The application file."""
        return "\n".join(line.rstrip() for line in self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        rows = f"{'all' if self.sample.whole else 'the first'} {self.sample.rows:,} rows"
        yield f"# Made by `{self.command}` from {rows}. Every guess is yours to change."
        yield "# Next: tocsin check, tocsin test and tocsin run, each with this file's name."
        yield _said("tocsin: 1", "version of the language")
        yield _said(f"name: {self.name}", "of this application")
        yield _said("version: 1", "of this application; written into every flag")
        yield ""
        yield from self._connection()
        yield from self._stream()
        if self.sample.format == "debezium" and self.roles.by is not None:
            yield from self._table(self.roles.by)
        yield from self._facts()
        yield from self._pattern()
        yield from _OUTPUTS

    def _connection(self) -> Iterator[str]:
        if self.settings is not None:
            yield "connections:"
            yield "  main:"
            yield _said("    kafka:", "any setting of librdkafka")
            yield from (f"      {name}: {_text(value)}" for name, value in self.settings.items())
            yield ""

    @property
    def _from(self) -> str:
        return f"{{file: {_quoted(self.source)}}}" if self.settings is None else f"{{kafka: {_quoted('main/' + self.source)}}}"

    def _stream(self) -> Iterator[str]:
        names = names_of(self.fields)
        yield "streams:"
        yield f"  {self.stream}:"
        yield f"    from: {self._from}"
        yield f"    format: {self.sample.format}"
        if self.sample.format == "debezium":
            if self.sample.full_before:
                yield _said("    before: full", "changes carry the whole row before them")
            yield _said("    # time:", "a change's time is its envelope's")
        elif self.roles.time is not None:
            yield _said(f"    time: {_quoted(names[id(self.roles.time)])}", "event time")
        behind = interval_text(self.roles.disorder)
        measured = f"an event was at most {behind} behind the newest before it" if self.roles.disorder else "the sample is in order"
        yield _said(f"    lateness: {lateness(self.roles.disorder)}", measured)
        if self.sample.format != "debezium":
            yield from self._id(names)
            yield _said("    # where: CONDITION", "what fails it is dropped and counted")
        yield "    fields:"
        yield from self._fields(names)
        yield ""

    def _id(self, names: dict[int, str]) -> Iterator[str]:
        if self.roles.id is not None:
            yield _said(f"    id: {_quoted(names[id(self.roles.id)])}", "each value stands once in the sample")
            yield _said("    # dedup: 1h", "the same id again within this time is dropped and counted")
        else:
            yield _said("    # id: FIELD", "none is unique in the sample: an event's id is its file and row")

    def _fields(self, names: dict[int, str]) -> Iterator[str]:
        for field in self.fields:
            path = ".".join(field.seen.path)
            if field.type is None:
                yield f"      # {path}: left out: {field.note}"
                continue
            name = names[id(field)]
            declared = f'"{field.type}"'
            if name == path:
                line = f"      {_quoted(name)}: {declared if '(' in declared and ',' in declared else field.type}"
            else:
                line = f"      {_quoted(name)}: {{type: {declared}, path: {_quoted(path)}}}"
            yield _said(line, field.note) if field.note else line

    def _table(self, key: Guess) -> Iterator[str]:
        """The same changes as a table that other streams may join."""
        names = names_of(self.fields)
        yield "tables:"
        yield _said(f"  {self.table}:", "the rows as they are now, for other streams to join")
        yield f"    from: {self._from}"
        if self.settings is not None:
            yield "    lateness: 0s"
        yield "    format: debezium"
        yield f"    key: {_quoted(names[id(key)])}"
        yield "    fields:"
        yield from self._fields(names)
        yield ""

    @property
    def _by(self) -> str:
        """The entity's field as ``by:`` takes it, empty for none."""
        return "" if self.roles.by is None else f"by: {_quoted(names_of(self.fields)[id(self.roles.by)])}, "

    def _fact_names(self) -> tuple[str, str]:
        taken = set(names_of(self.fields).values())
        return tuple(name if name not in taken else f"{name}_here" for name in ("count_10m", "sum_1h"))  # type: ignore[return-value]

    def _facts(self) -> Iterator[str]:
        count, total = self._fact_names()
        yield "features:"
        yield _said(f"  {count}: {{count: true, {self._by}over: 10m}}", "events in the last 10 minutes")
        if self.roles.amount is not None:
            amount = _quoted(_sql(names_of(self.fields)[id(self.roles.amount)]))
            yield _said(f"  {total}: {{sum: {amount}, {self._by}over: 1h}}", "and their sum in the last hour")
        yield ""

    def _pattern(self) -> Iterator[str]:
        count, total = self._fact_names()
        name = "burst" if self.stream != "burst" else "bursts"
        by = self._by.removeprefix("by: ").removesuffix(", ")
        who = f" of {{{_sql(names_of(self.fields)[id(self.roles.by)])}}}" if self.roles.by is not None else ""
        yield "patterns:"
        least = self.threshold
        yield _said(f"  {name}:", "an example: who is busier than usual")
        if by:
            yield f"    by: {by}"
        yield _said(f"    when: {count} > {least}", f"in the sample at most {self.most} in ten minutes" if self.most else "")
        yield "    severity: low"
        title = f"{{{count}}} events{who} in 10 minutes" + (f", {{{total}}} in an hour" if self.roles.amount is not None else "")
        yield f"    title: {_text(title)}"
        yield _said("    suppress: {cooldown: 1h}", "after a flag, silence for an hour")
        yield "    tests:"
        yield f"      - name: {least + 1} events within ten minutes"
        yield "        given:"
        value = self._value()
        yield from (f"          - {{at: {at}s, {value}}}".replace(", }", "}") for at in range(least + 1))
        key = f"key: {_KEYS[self.roles.by.type.kind]}, " if self.roles.by is not None and self.roles.by.type is not None else ""
        yield f"        expect: [{{{key}at: {least}s}}]"
        yield f"      - name: {least} are none"
        yield "        given:"
        yield from (f"          - {{at: {at}s, {value}}}".replace(", }", "}") for at in range(least))
        yield "        expect: []"
        yield ""

    def _value(self) -> str:
        """The entity's field of a line of a test; under ``fields`` where its name is a key of such lines."""
        if self.roles.by is None or self.roles.by.type is None:
            return ""
        name = names_of(self.fields)[id(self.roles.by)]
        pair = f"{_quoted(name)}: {_KEYS[self.roles.by.type.kind]}"
        return f"fields: {{{pair}}}" if name in ("on", "at", "time", "ref", "op", "before", "fields", "scores") else pair


_KEYS = {Kind.STRING: "k1", Kind.INT: "1"}
_OUTPUTS = (
    "flags:",
    "  to: {file: out/flags.jsonl}",
    "  late: {file: out/late.jsonl}" + " " * 4 + "# events behind their partition's bound",
    "  dead_letters: {file: out/dead.jsonl}",
)


def names_of(fields: Sequence[Guess]) -> dict[int, str]:
    """A field's name by its guess's identity: the last part of its path, or all of it where that is taken."""
    found: dict[int, str] = {}
    taken: set[str] = set()
    for field in sorted(fields, key=lambda field: len(field.seen.path)):
        if field.type is None:
            continue
        name = field.seen.path[-1] if field.seen.path[-1] not in taken else "_".join(field.seen.path)
        while name in taken:
            name += "_"
        taken.add(name)
        found[id(field)] = name
    return found


def plain_name(text: str, fallback: str) -> str:
    """A text as a name of the language: a-z, 0-9 and _, beginning with a letter, none of SQL's reserved words."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    name = name if re.match(r"[a-z]", name) else f"{fallback}_{name}".strip("_")
    return f"{name}_events" if is_reserved(name) else name


def stem_of(path: Path) -> str:
    """A file's name without its endings: ``payments`` of ``payments.jsonl.gz``."""
    return path.name.partition(".")[0] or "events"


def _said(line: str, comment: str) -> str:
    return f"{line.ljust(_COLUMN)}  # {comment}" if comment else line


def _sql(name: str) -> str:
    """A field's name in an expression."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and not is_reserved(name.lower())
    return name if plain else '"' + name.replace('"', '""') + '"'


def _quoted(text: str) -> str:
    """A text as a YAML scalar that is safe inside braces."""
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_PLAIN or re.fullmatch(r"[A-Za-z0-9_./-]+", text) and "/" in text:
        return text
    return _text(text)


def _text(text: str) -> str:
    return "'" + text + "'" if '"' in text and "'" not in text else json.dumps(text, ensure_ascii=False)
