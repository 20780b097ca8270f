"""Gauges of the evidence, read at each scrape: what is not known is not there."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.registry import Collector

from taxi_domain import evidence_metrics as catalogue
from taxi_domain.verdicts import BlockState
from taxi_monitor.evidence.unserved import ROLE, judged_of
from taxi_monitor.evidence.view import EvidenceView, Views
from taxi_monitor.metrics.gauges import Family, Sample, families_of
from taxi_monitor.settings import KnownEvent
from taxi_monitor.windows.state import State
from taxi_profiles.evidence.kinds import Kind
from taxi_store.verdicts.block_verdict import BlockVerdict


class EvidenceCollector(Collector):
    """Exports what the evidence says of each version that is watched.

    Args:
        state: Says which versions are watched.
        views: What is known of them.
        model: Name of the model.
        events: Known ones.
        clock: Seconds since the epoch.
        rows: Says whether rows that nobody predicts are watched.
    """

    def __init__(  # noqa: PLR0913 - its parts, put together in one place
        self,
        state: State,
        views: Views,
        model: str,
        events: Sequence[KnownEvent],
        *,
        clock: Callable[[], float],
        rows: State | None = None,
    ) -> None:
        self._state = state
        self._views = views
        self._model = model
        self._events = events
        self._clock = clock
        self._rows = rows

    def collect(self) -> Iterable[Family]:
        """Return the families of everything that is known now."""
        return families_of(self._samples())

    def _samples(self) -> Iterator[Sample]:
        now = self._clock()
        lasting = {
            event.name
            for event in self._events
            if event.begin.timestamp() <= now < event.end.timestamp()
        }
        # Some come every year, under one name.
        for name in sorted({event.name for event in self._events}):
            yield catalogue.MONITOR_KNOWN_EVENT, (name,), float(name in lasting)
        for version, watched in judged_of(self._state, self._rows):
            view = self._views.of(version)
            if view is not None and view.read_until is not None:
                yield from _of_version((self._model, watched.role), view, now)


def _of_version(model: tuple[str, str], view: EvidenceView, now: float) -> Iterator[Sample]:
    if view.read_until is not None:
        yield catalogue.MONITOR_EVIDENCE_AGE, model, max(0.0, now - view.read_until.timestamp())
    yield from _labels_of(model, view)
    if view.self_test:
        passed = sum(one.passed for one in view.self_test) / len(view.self_test)
        yield catalogue.MONITOR_SELFTEST_PASSED, model, passed
        blocks = [one.blocks for one in view.self_test if one.blocks is not None]
        if blocks:
            yield catalogue.MONITOR_SELFTEST_BLOCKS, model, float(max(blocks))
    if view.kind is not None:
        for kind in Kind:
            yield catalogue.MONITOR_DRIFT_KIND, (*model, kind), float(kind == view.kind)
    for side, verdict in view.verdicts.items():
        yield from _of_side((*model, str(side)), verdict)
        if verdict.traffic is not None and verdict.traffic.ratio is not None:
            yield catalogue.MONITOR_TRAFFIC, model, verdict.traffic.ratio


def _labels_of(model: tuple[str, str], view: EvidenceView) -> Iterator[Sample]:
    if view.coverage is not None:
        yield catalogue.MONITOR_LABEL_COVERAGE, model, view.coverage
    if model[1] != ROLE:  # those never get a label
        yield catalogue.MONITOR_LABELS_HELD, model, float(view.held is not None)


def _of_side(labels: tuple[str, ...], verdict: BlockVerdict) -> Iterator[Sample]:
    yield catalogue.MONITOR_EVIDENCE_BLOCKS, labels, float(verdict.block + 1)
    if verdict.threshold is None or verdict.total is None:
        return
    for group, evidence in verdict.groups.items():
        yield catalogue.MONITOR_EVIDENCE, (*labels, group), evidence
    yield catalogue.MONITOR_EVIDENCE_TOTAL, labels, verdict.total
    yield catalogue.MONITOR_EVIDENCE_THRESHOLD, labels, verdict.threshold
    alarm = verdict.state is BlockState.ALARM
    suspected = alarm or verdict.state is BlockState.SUSPECTED
    yield catalogue.MONITOR_EVIDENCE_ALARM, labels, float(alarm)
    yield catalogue.MONITOR_EVIDENCE_SUSPECTED, labels, float(suspected)
