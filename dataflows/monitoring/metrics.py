"""All metrics of a run: their names, and how they are read off what a process observed (contracts: metrics)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from dataflows.batches.batch import AFTER_ALL, BEFORE_ALL
from dataflows.monitoring.observed import Observed, Spread
from models.application.resolved.application import Application
from models.application.resolved.patterns import Suppress

_SECONDS = 1e6


class Metrics(Collector):
    """The metrics of one process, computed at each scrape."""

    def __init__(self, application: Application, observed: Observed) -> None:
        self.application = application
        self.observed = observed
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """What Prometheus asks for."""
        yield from self._counters()
        yield from self._times()
        yield from self._state()
        yield from self._spreads()

    def _counters(self) -> Iterator[Metric]:
        counts = self.observed.counts
        patterns = self.application.patterns
        flags = [((name, patterns[name].mode), float(n)) for name, n in counts.flags.copy().items()]
        suppressed = [((name, reason(patterns[name].suppress)), float(n)) for name, n in counts.suppressed.copy().items() if n]
        yield _counter("tocsin_events", "Rows read.", ["stream"], _one(counts.rows))
        yield _counter("tocsin_filtered", "Rows that where dropped.", ["stream"], _one(counts.filtered))
        yield _counter("tocsin_duplicates", "Rows whose id came before.", ["stream"], _one(counts.duplicates))
        yield _counter("tocsin_dead_letters", "Rows that could not be read.", ["stream", "reason"], _two(counts.dead))
        yield _counter("tocsin_late", "Late events.", ["stream", "reason"], _two(counts.late))
        yield _counter("tocsin_violations", "Keys in two partitions against partitioned_by.", ["stream"], _one(counts.violations))
        yield _counter("tocsin_hits", "Hits before guard and suppression.", ["pattern"], _one(counts.hits))
        yield _counter("tocsin_guarded", "Hits that a guard or active held back.", ["pattern"], _one(counts.guarded))
        yield _counter("tocsin_suppressed", "Hits held back or merged.", ["pattern", "reason"], suppressed)
        yield _counter("tocsin_flags", "Flags raised.", ["pattern", "mode"], flags)
        yield _counter("tocsin_errors", "Errors of outside systems by kind.", ["kind"], _one(self.observed.errors))

    def _times(self) -> Iterator[Metric]:
        observed = self.observed
        bounds = {place: time for place, time in observed.bounds.copy().items() if BEFORE_ALL < time < AFTER_ALL}
        slowest: dict[str, int] = {}
        for (name, _), time in bounds.items():
            slowest[name] = min(time, slowest.get(name, time))
        lags = [((name,), observed.clock() - time / _SECONDS) for name, time in slowest.items()]
        yield _gauge("tocsin_watermark_lag_seconds", "Wall clock less a stream's slowest bound.", ["stream"], lags)
        each = [((name, str(number)), time / _SECONDS) for (name, number), time in bounds.items()]
        yield _gauge("tocsin_bound_seconds", "Event time before which a partition accepts nothing.", ["stream", "partition"], each)
        reached = [(stage, observed.watermark(stage)) for stage in range(observed.stages)]
        known = [((_stage(stage),), at / _SECONDS) for stage, at in reached if at is not None and BEFORE_ALL < at < AFTER_ALL]
        yield _gauge("tocsin_watermark_seconds", "Event time that a stage has reached.", ["stage"], known)
        holders = [(stage, observed.holder(stage)) for stage in range(observed.stages)]
        held = [((_stage(stage), who[0], str(who[1])), 1.0) for stage, who in holders if who is not None]
        yield _gauge("tocsin_watermark_holder", "1 for who holds a stage back.", ["stage", "stream", "partition"], held)

    def _state(self) -> Iterator[Metric]:
        observed = self.observed
        lag = [((topic, str(number)), float(n)) for each in observed.lags for topic, number, n in each()]
        yield _gauge("tocsin_consumer_lag", "Records of a partition that are not read yet.", ["topic", "partition"], lag)
        stages = range(observed.stages)
        keys = [((_stage(stage),), float(observed.keys(stage))) for stage in stages]
        yield _gauge("tocsin_keys", "Keys with state.", ["stage"], keys)
        size = [((_stage(stage),), float(observed.state_bytes(stage))) for stage in stages]
        yield _gauge("tocsin_state_bytes", "Bytes of state.", ["stage"], size)
        partial = [((name,), float(n)) for name, n in observed.partial().items()]
        yield _gauge("tocsin_partial_matches", "Partial matches of a sequence, clocks of an absence.", ["pattern"], partial)
        age = [] if observed.epoch_at is None else [((), observed.clock() - observed.epoch_at)]
        yield _gauge("tocsin_epoch_age_seconds", "Time since an epoch was completed.", [], age)

    def _spreads(self) -> Iterator[Metric]:
        observed = self.observed
        batches: Spreads = {(_stage(stage),): spread for stage, spread in observed.batch_seconds.copy().items()}
        latency: Spreads = {(name,): spread for name, spread in observed.flag_latency.copy().items()}
        yield _histogram("tocsin_batch_rows", "Rows of one read.", [], {(): observed.batch_rows})
        yield _histogram("tocsin_batch_seconds", "Time of one stage with one batch.", ["stage"], batches)
        yield _histogram("tocsin_flag_latency_seconds", "Wall clock at a flag less its time.", ["pattern"], latency)
        yield _histogram("tocsin_snapshot_seconds", "Time of one snapshot.", [], {(): observed.snapshot_seconds})


def reason(rules: Suppress) -> str:
    """What holds a pattern's hits back: the names of its rules."""
    named = {"cooldown": rules.cooldown, "debounce": rules.debounce, "batch": rules.batch_over, "limit": rules.limit_over}
    return "+".join(name for name, set_ in named.items() if set_)


Values = Iterable[tuple[tuple[str, ...], float]]
Spreads = Mapping[tuple[str, ...], Spread]


def _counter(name: str, text: str, labels: list[str], values: Values) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family


def _gauge(name: str, text: str, labels: list[str], values: Values) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family


def _histogram(name: str, text: str, labels: list[str], spreads: Spreads) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    for key, spread in spreads.items():
        counts = list(spread.counts)
        edges = [*map(str, spread.edges), "+Inf"]
        family.add_metric(key, [(edge, float(sum(counts[: at + 1]))) for at, edge in enumerate(edges)], spread.sum)
    return family


def _one(counter: Mapping[str, int]) -> Values:
    return [((name,), float(n)) for name, n in dict(counter).items()]


def _two(counter: Mapping[str, int]) -> Values:
    """Counts whose keys are ``NAME PART``."""
    split = [(key.partition(" "), n) for key, n in dict(counter).items()]
    return [((name, part), float(n)) for (name, _, part), n in split]


def _stage(stage: int) -> str:
    return str(stage + 1)
