"""Teams, endpoints and responders as the rest of Tocsin sees them: checked, typed, defaults filled in.

Durations are int64 microseconds, money is in billionths of its currency. Texts of the environment stay unresolved until a responder
starts (``EnvText``). Verdicts are plain names; ``escalate`` hands a flag to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from models.application.resolved.patterns import Pattern
from models.application.resolved.places import Position
from models.application.respond.environment import EnvText
from models.application.respond.flagscope import FlagName, FlagScope
from models.expressions.expression import Expression
from models.expressions.facts import Calendar, Facts

ESCALATE = "escalate"
DEFAULT = "default"
ActionKind = Literal["webhook", "notify", "topic", "email"]
EndpointFormat = Literal["cloudevents", "slack", "pagerduty", "alertmanager", "template"]
_MINUTE = 60_000_000


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in billionths of a currency."""

    nano: int
    currency: str


@dataclass(frozen=True, slots=True)
class Team:
    """People who answer tasks and are told of flags; ``notify`` names endpoints."""

    name: str
    role: Literal["viewer", "analyst", "admin"]
    notify: tuple[str, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where messages go. ``url`` may be smtp(s)://, then with ``sender`` and ``recipients``.

    secrets: the first signs, further ones sign too while they are rotated; schedule: waits before each attempt; private: addresses
    and networks that may be private; template: a file's text where the format is one.
    """

    name: str
    url: EnvText
    format: EndpointFormat
    secrets: tuple[EnvText, ...]
    schedule: tuple[int, ...]
    timeout: int
    private: tuple[str, ...]
    template: str | None
    sender: EnvText | None
    recipients: tuple[EnvText, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Route:
    """Flags that match go to a responder; ``more``: further routes are tried too."""

    match: Expression | None
    to: str
    more: bool
    position: Position


@dataclass(frozen=True, slots=True)
class Inhibit:
    """While a source's episode lasts, targets with equal values are decided ``default:inhibited``."""

    source: Expression
    target: Expression
    equal: tuple[FlagName, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition that decides; a hard one is never overruled."""

    name: str
    when: Expression
    verdict: str
    hard: bool
    position: Position


@dataclass(frozen=True, slots=True)
class ScoreTier:
    """A model of the registry as NAME@VERSION; ``below`` and ``above``: (verdict, threshold), outside of which it decides."""

    model: str
    below: tuple[str, float] | None
    above: tuple[str, float] | None
    position: Position


@dataclass(frozen=True, slots=True)
class Limit:
    """What may be spent in each window: nano of a currency, calls, or tokens."""

    unit: Literal["money", "calls", "tokens"]
    most: int
    window: Literal["hour", "day"]
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of one responder or of all; ``per_pattern`` by the pattern's name, ``default`` for the others."""

    limits: tuple[Limit, ...] = ()
    per_pattern: Mapping[str, Limit] = field(default_factory=dict)
    tokens_per_call: int | None = None
    timeout: int | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt file as it was when the application was read."""

    path: str
    text: str
    sha256: str


@dataclass(frozen=True, slots=True)
class LlmTier:
    """A model that chooses a verdict. ``fields`` are all that it sees; ``on_failure`` is ``human`` or a verdict.

    url, key: of the endpoint, by default OPENAI_BASE_URL and OPENAI_API_KEY; fallback: a model asked when the first fails;
    requests_per_minute, tokens_per_minute: None is no limit; slots: calls at once; cache: how long equal requests get one answer.
    """

    model: EnvText
    fallback: EnvText | None
    url: EnvText | None
    key: EnvText | None
    prompt: Prompt
    fields: tuple[FlagName, ...]
    verdicts: tuple[str, ...]
    reason_codes: tuple[str, ...]
    budget: Budget
    on_failure: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    slots: int
    cache: int
    position: Position


@dataclass(frozen=True, slots=True)
class Level:
    """A team and how long it has."""

    to: str
    within: int


@dataclass(frozen=True, slots=True)
class QuietHours:
    """While it is quiet, people's time stands still: inside, or outside of, a calendar."""

    calendar: Calendar
    inside: bool

    def quiet(self, time: int) -> bool:
        """Whether a moment (microseconds since 1970) is quiet."""
        return self.calendar.contains(time) == self.inside


@dataclass(frozen=True, slots=True)
class HumanTier:
    """Levels one after another; ``default`` is the verdict when nobody answers; ``verdicts``: what people may answer."""

    levels: tuple[Level, ...]
    default: str
    verdicts: tuple[str, ...]
    quiet_hours: QuietHours | None
    position: Position


@dataclass(frozen=True, slots=True)
class Action:
    """What a verdict does. target: an endpoint (webhook, email), a team (notify), or CONNECTION/TOPIC; undo: what takes it back."""

    kind: ActionKind
    target: str
    undo: Action | None
    position: Position


@dataclass(frozen=True, slots=True)
class Responder:
    """Tiers in order and what verdicts do (``default``: any other's). ``deadline``: of rules, score and model, from receipt."""

    name: str
    rules: tuple[Rule, ...]
    score: ScoreTier | None
    llm: LlmTier | None
    human: HumanTier | None
    default: str
    deadline: int
    actions: Mapping[str, tuple[Action, ...]]
    position: Position

    def actions_of(self, verdict: str) -> tuple[Action, ...]:
        """What a verdict does: its own actions, else those of ``default``."""
        return self.actions.get(verdict, self.actions.get(DEFAULT, ()))


@dataclass(frozen=True, slots=True)
class Price:
    """Of a model: nano of the currency for each input and output token."""

    input_nano: int
    output_nano: int


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is kept; None: for ever."""

    flags: int | None = None
    llm_bodies: int | None = None
    audit: int | None = None


@dataclass(frozen=True, slots=True)
class Respond:
    """The whole section. ``version``: sha256[:12] of all that decides; ``scope`` and ``facts``: for conditions given later."""

    routes: tuple[Route, ...]
    inhibit: tuple[Inhibit, ...]
    responders: Mapping[str, Responder]
    budget: Budget
    prices: Mapping[str, Price]
    currency: str
    retention: Retention
    teams: Mapping[str, Team]
    endpoints: Mapping[str, Endpoint]
    registry: str
    version: str
    patterns: Mapping[str, Pattern] = field(repr=False, default_factory=dict)
    scope: FlagScope = field(repr=False, default_factory=lambda: FlagScope({}))
    facts: Facts = field(repr=False, default_factory=Facts)
