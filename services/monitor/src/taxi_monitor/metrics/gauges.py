"""Series read from the state at each scrape: they appear and vanish with what is known."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from taxi_domain import metrics as catalogue
from taxi_domain.metric import Metric, MetricType
from taxi_monitor.windows.bin_counts import BinCounts
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import Evaluation, WatchedVersion
from taxi_profiles.scores.named import NamedScores
from taxi_profiles.verdict import STRATIFIED, FeatureVerdict, Verdict

_ACTUAL: Final = "actual"

Sample = tuple[Metric, tuple[str, ...], float]
Family = GaugeMetricFamily | CounterMetricFamily

_FAMILIES: Final[Mapping[MetricType, type[Family]]] = {
    MetricType.GAUGE: GaugeMetricFamily, MetricType.COUNTER: CounterMetricFamily,
}  # fmt: skip


def families_of(samples: Iterable[Sample]) -> Iterable[Family]:
    """Return the samples by metric."""
    families: dict[str, Family] = {}
    for metric, labels, value in samples:
        if metric.name not in families:
            kind = _FAMILIES[metric.type]
            families[metric.name] = kind(metric.name, metric.help, labels=metric.labels)
        families[metric.name].add_metric(labels, value)
    return families.values()


class StateCollector(Collector):
    """Exports the last evaluations; absent is not zero."""

    def __init__(
        self,
        state: State,
        model: str,
        threads: Mapping[str, Callable[[], bool]],
        clock: Callable[[], float],
        rows: State | None = None,
    ) -> None:
        self._state = state
        self._rows = rows
        self._model = model
        self._threads = threads
        self._clock = clock

    def collect(self) -> Iterable[Family]:
        """Return the families of everything that is known now."""
        return families_of(self._samples())

    def _samples(self) -> Iterator[Sample]:
        for name, is_alive in self._threads.items():
            yield catalogue.MONITOR_THREAD_UP, (name,), float(is_alive())
        for counted in self._state.bin_counts():
            of = (self._model, counted.role, counted.version, counted.feature, counted.bin)
            yield catalogue.MONITOR_FEATURE_ROWS, of, counted.rows
        for watched in self._state.watched():
            model = (self._model, watched.role)
            target = watched.schema.target
            info = (*model, watched.version, target.name, target.unit)
            yield catalogue.MONITOR_MODEL_INFO, info, 1.0
            yield catalogue.MONITOR_REFERENCE_ROWS, model, float(watched.reference.rows)
            if watched.reference.error is not None:
                yield catalogue.MONITOR_ERROR_REFERENCE, model, watched.reference.error.rmse
            yield from _reference_bins((*model, watched.version), watched.bins)
            if watched.evaluation is not None:
                yield from self._evaluated(model, watched.evaluation)
                yield from self._labelled(model, watched.evaluation)
                yield from _missing(model, watched, watched.evaluation)
        yield from self._unserved()

    def _unserved(self) -> Iterator[Sample]:
        """Yield what is known of rows that nobody predicts: they have no error and no labels."""
        for watched in () if self._rows is None else self._rows.watched():
            model = (self._model, watched.role)
            yield catalogue.MONITOR_REFERENCE_ROWS, model, float(watched.reference.rows)
            if watched.evaluation is not None:
                yield from self._evaluated(model, watched.evaluation)
                yield from _missing(model, watched, watched.evaluation)

    def _evaluated(self, model: tuple[str, str], evaluation: Evaluation) -> Iterator[Sample]:
        window = evaluation.window
        yield catalogue.MONITOR_EVALUATION_AGE, model, max(0.0, self._clock() - evaluation.at)
        yield catalogue.MONITOR_WINDOW_ROWS, model, float(window.rows)
        if window.rows:
            yield catalogue.MONITOR_WINDOW_START, model, window.start
            yield catalogue.MONITOR_WINDOW_END, model, window.end
        if evaluation.inputs is not None:
            yield from _inputs(model, evaluation.inputs, evaluation.alarm.raised)
            yield from _named(model, evaluation.inputs, evaluation.named)

    def _labelled(self, model: tuple[str, str], evaluation: Evaluation) -> Iterator[Sample]:
        yield catalogue.MONITOR_LABELLED_ROWS, model, float(evaluation.labelled.rows)
        if evaluation.outside_ratio is not None:
            yield catalogue.MONITOR_LABELS_OUTSIDE, model, evaluation.outside_ratio
        if evaluation.errors is not None:
            yield from _errors(model, evaluation.errors)


def _missing(
    model: tuple[str, str], watched: WatchedVersion, evaluation: Evaluation
) -> Iterator[Sample]:
    """Yield the shares without a value of what has no score: event times, and some columns."""
    if evaluation.inputs is None:
        return
    for name, share in evaluation.unscored.items():
        yield catalogue.MONITOR_MISSING, (*model, name), share
    if watched.schema.event_time is not None:
        share = evaluation.window.untimed / evaluation.window.rows
        yield catalogue.MONITOR_EVENT_TIME_MISSING, model, share


def _inputs(model: tuple[str, str], verdict: Verdict, raised: bool) -> Iterator[Sample]:
    for feature in verdict.features:
        yield from _feature(model, feature)
    if verdict.score_ratio is not None:
        yield catalogue.MONITOR_DRIFT_RATIO, model, verdict.score_ratio
        yield catalogue.MONITOR_DRIFTED_FEATURES, model, float(len(verdict.drifted))
        yield catalogue.MONITOR_DRIFT_DETECTED, model, float(raised)


def _feature(model: tuple[str, str], verdict: FeatureVerdict) -> Iterator[Sample]:
    feature = (*model, verdict.feature)
    stratified = verdict.method + STRATIFIED
    yield catalogue.MONITOR_FEATURE_SCORE, (*feature, verdict.method), verdict.score
    yield catalogue.MONITOR_FEATURE_SCORE, (*feature, stratified), verdict.stratified_score
    if verdict.threshold is not None and verdict.score_ratio is not None:
        yield catalogue.MONITOR_FEATURE_THRESHOLD, (*feature, stratified), verdict.threshold
        yield catalogue.MONITOR_FEATURE_RATIO, feature, verdict.score_ratio
    yield catalogue.MONITOR_MISSING, feature, verdict.missing_ratio
    yield catalogue.MONITOR_UNSEEN, feature, verdict.unseen_ratio


def _named(model: tuple[str, str], verdict: Verdict, named: NamedScores) -> Iterator[Sample]:
    own = {(one.feature, one.method) for one in verdict.features}
    for (feature, method), value in named.distances.items():
        if (feature, method) not in own:  # a series twice would spoil the whole scrape
            yield catalogue.MONITOR_FEATURE_SCORE, (*model, feature, method), value
    for (feature, method), value in named.p_values.items():
        yield catalogue.MONITOR_FEATURE_P_VALUE, (*model, feature, method), value


def _reference_bins(version: tuple[str, str, str], counts: BinCounts) -> Iterator[Sample]:
    for feature, bins in counts.bins.items():
        for name, share in zip(bins.names, bins.shares.tolist(), strict=True):
            yield catalogue.MONITOR_REFERENCE_BINS, (*version, feature, name), share


def _errors(model: tuple[str, str], verdict: Verdict) -> Iterator[Sample]:
    for feature in verdict.features:
        yield from _feature(model, feature)
    if verdict.error is not None:
        source = (*model, _ACTUAL)
        yield catalogue.MONITOR_ERROR_RMSE, source, verdict.error.rmse
        yield catalogue.MONITOR_ERROR_MAE, source, verdict.error.mae
        yield catalogue.MONITOR_ERROR_BIAS, source, verdict.error.bias
        if verdict.error.score_ratio is not None:
            yield catalogue.MONITOR_ERROR_RATIO, model, verdict.error.score_ratio
