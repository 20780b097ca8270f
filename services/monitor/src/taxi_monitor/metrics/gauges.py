"""Gauges read from the state at each scrape: they appear and vanish with what is known."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from taxi_domain import metrics as catalogue
from taxi_domain.metrics import Metric
from taxi_domain.rides import PICKUP_AT
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import Evaluation, WatchedVersion
from taxi_profiles.verdict import STRATIFIED, FeatureVerdict, Verdict

_ACTUAL = "actual"
_MINUTE = 60.0

Sample = tuple[Metric, tuple[str, ...], float]


class StateCollector(Collector):
    """Exports the last evaluations; absent is not zero."""

    def __init__(
        self,
        state: State,
        model: str,
        is_alive: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._state = state
        self._model = model
        self._is_alive = is_alive
        self._clock = clock

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the families of everything that is known now."""
        families: dict[str, GaugeMetricFamily] = {}
        for metric, labels, value in self._samples():
            family = families.setdefault(
                metric.name, GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            )
            family.add_metric(labels, value)
        return families.values()

    def _samples(self) -> Iterator[Sample]:
        yield catalogue.MONITOR_THREAD_UP, ("log_tailer",), float(self._is_alive())
        for watched in self._state.watched():
            who = (self._model, watched.role)
            yield catalogue.MONITOR_MODEL_INFO, (*who, watched.version), 1.0
            yield catalogue.MONITOR_REFERENCE_ROWS, who, float(watched.reference.rows)
            yield catalogue.MONITOR_ERROR_REFERENCE, who, watched.reference.error.rmse * _MINUTE
            if watched.evaluation is not None:
                yield from self._evaluated(who, watched, watched.evaluation)

    def _evaluated(
        self, who: tuple[str, str], watched: WatchedVersion, found: Evaluation
    ) -> Iterator[Sample]:
        yield catalogue.MONITOR_EVALUATION_AGE, who, max(0.0, self._clock() - found.at)
        yield catalogue.MONITOR_WINDOW_ROWS, who, float(found.window.rows)
        yield catalogue.MONITOR_LABELLED_ROWS, who, float(found.labelled.rows)
        if found.outside_ratio is not None:
            yield catalogue.MONITOR_LABELS_OUTSIDE, who, found.outside_ratio
        if found.window.rows:
            yield catalogue.MONITOR_WINDOW_START, who, found.window.start
            yield catalogue.MONITOR_WINDOW_END, who, found.window.end
        if found.inputs is not None:
            yield from _inputs(who, found.inputs, found.alarm.raised)
            missing = found.window.untimed / found.window.rows
            yield catalogue.MONITOR_MISSING, (*who, PICKUP_AT), missing
        if found.errors is not None:
            yield from _errors(who, found.errors)


def _inputs(who: tuple[str, str], verdict: Verdict, raised: bool) -> Iterator[Sample]:
    for one in verdict.features:
        yield from _feature(who, one)
    if verdict.score_ratio is not None:
        yield catalogue.MONITOR_DRIFT_RATIO, who, verdict.score_ratio
        yield catalogue.MONITOR_DRIFTED_FEATURES, who, float(len(verdict.drifted))
        yield catalogue.MONITOR_DRIFT_DETECTED, who, float(raised)


def _feature(who: tuple[str, str], one: FeatureVerdict) -> Iterator[Sample]:
    feature = (*who, one.feature)
    stratified = one.method + STRATIFIED
    yield catalogue.MONITOR_FEATURE_SCORE, (*feature, one.method), one.score
    yield catalogue.MONITOR_FEATURE_SCORE, (*feature, stratified), one.stratified_score
    if one.threshold is not None and one.score_ratio is not None:
        yield catalogue.MONITOR_FEATURE_THRESHOLD, (*feature, stratified), one.threshold
        yield catalogue.MONITOR_FEATURE_RATIO, feature, one.score_ratio
    yield catalogue.MONITOR_MISSING, feature, one.missing_ratio
    yield catalogue.MONITOR_UNSEEN, feature, one.unseen_ratio


def _errors(who: tuple[str, str], verdict: Verdict) -> Iterator[Sample]:
    for one in verdict.features:
        yield from _feature(who, one)
    if verdict.error is not None:
        source = (*who, _ACTUAL)
        yield catalogue.MONITOR_ERROR_RMSE, source, verdict.error.rmse * _MINUTE
        yield catalogue.MONITOR_ERROR_MAE, source, verdict.error.mae * _MINUTE
        yield catalogue.MONITOR_ERROR_BIAS, source, verdict.error.bias * _MINUTE
        if verdict.error.score_ratio is not None:
            yield catalogue.MONITOR_ERROR_RATIO, who, verdict.error.score_ratio
