"""Scores by name beside the monitor's own, and rows counted in bins, as Prometheus reads them."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from support.monitor_windows import NOW, rebuild, taxi_inputs, taxi_record, watched, watching
from support.references import constant_thresholds
from support.taxi_columns import DISTANCE, DROPOFF, PICKUP, taxi_reference

from taxi_domain.errors import FieldError
from taxi_domain.models import Alias
from taxi_domain.records import PredictionRecord
from taxi_monitor.http import forms
from taxi_monitor.metrics.gauges import StateCollector
from taxi_monitor.settings import Settings
from taxi_monitor.windows.state import State
from taxi_profiles.bins import bins_of, psi
from taxi_profiles.categorical import categorical_profile
from taxi_profiles.numeric import numeric_profile
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference
from taxi_profiles.scores.binned import psi as psi_score
from taxi_profiles.scores.counted import chi_square
from taxi_profiles.scores.ranked import kolmogorov_smirnov
from taxi_runtime.settings import read

ROWS = 60
Samples = dict[tuple[str, ...], float]


@cache
def reference() -> Reference:
    rng = np.random.default_rng(1)
    columns = {
        PICKUP: rng.integers(1, 30, 300), DROPOFF: rng.integers(1, 5, 300),
        DISTANCE: np.round(rng.gamma(1.5, 2.0, 300), 2), PREDICTION: rng.gamma(3, 4, 300),
        TARGET: rng.gamma(3, 4, 300), MOMENT: np.arange(300) * 60,
    }  # fmt: skip
    with constant_thresholds():
        return taxi_reference({name: one.astype(np.float64) for name, one in columns.items()})


def rides(count: int, begin: int = 0) -> list[PredictionRecord]:
    rng = np.random.default_rng(begin)
    return [
        taxi_record(
            number, taxi_inputs(int(rng.integers(1, 30)), 99, round(float(rng.gamma(1.5, 3)), 2))
        )
        for number in range(begin, begin + count)
    ]


def exposed(state: State) -> dict[str, Samples]:
    """Return what Prometheus reads: values by metric and by the labels from the feature on."""
    registry = CollectorRegistry()
    registry.register(StateCollector(state, "m", {}, NOW.timestamp))
    found: dict[str, Samples] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            names = [name for name in ("feature", "method", "bin") if name in sample.labels]
            key = tuple(sample.labels[name] for name in names)
            assert key not in found.setdefault(sample.name, {}), "a series twice spoils the scrape"
            found[sample.name][key] = sample.value
    return found


def counted(state: State) -> Samples:
    return exposed(state)["taxi_monitor_feature_rows_total"]


def total(state: State, feature: str) -> float:
    return sum(rows for (of, _), rows in counted(state).items() if of == feature)


def test_scores_by_name_are_exported_and_p_values_apart() -> None:
    state = State(ROWS, 10, ["psi", "wasserstein", "ks", "chisquare"])
    state.watch(Alias.CHAMPION, watched(reference(), ROWS))
    taken = rides(40)
    state.ingest(taken)
    state.evaluate(NOW.timestamp)

    scores = exposed(state)["taxi_monitor_feature_drift_score"]
    chances = exposed(state)["taxi_monitor_feature_drift_pvalue"]

    miles = numeric_profile(np.array([one.inputs[DISTANCE] for one in taken]))
    zones = categorical_profile(np.array([one.inputs[PICKUP] for one in taken]))
    known = reference()
    assert scores[DISTANCE, "psi"] == psi_score(known.numeric[DISTANCE], miles)
    assert scores[PICKUP, "psi"] == psi_score(known.categorical[PICKUP], zones)
    assert chances == {
        (DISTANCE, "ks"): kolmogorov_smirnov(known.numeric[DISTANCE], miles),
        (PREDICTION, "ks"): pytest.approx(0, abs=1e-9),
        (PICKUP, "chisquare"): chi_square(known.categorical[PICKUP], zones),
        (DROPOFF, "chisquare"): 0.0,
    }
    methods = {method for feature, method in scores if feature == DISTANCE}
    assert methods == {"psi", "wasserstein", "wasserstein_stratified"}
    (form,) = forms.drift(state, "m")["versions"]
    assert {(one["feature"], one["method"]) for one in form["named_scores"]} >= set(chances)


def test_nothing_is_scored_by_name_unless_it_is_asked_for() -> None:
    state = watching(reference(), ROWS, 10)
    state.ingest(rides(40))
    state.evaluate(NOW.timestamp)

    assert "taxi_monitor_feature_drift_pvalue" not in exposed(state)
    assert forms.drift(state, "m")["versions"][0]["named_scores"] == []


def test_a_score_that_cannot_be_told_is_left_out_with_its_reason() -> None:
    state = State(ROWS, 5, ["mannw"])
    state.watch(Alias.CHAMPION, watched(reference(), ROWS))
    state.ingest(rides(7))
    state.evaluate(NOW.timestamp)

    (form,) = forms.drift(state, "m")["versions"]
    assert "taxi_monitor_feature_drift_pvalue" not in exposed(state)
    assert {one["problem"] for one in form["named_scores"]} == {
        "the test needs 9 rows on both sides"
    }


def given_settings(scores: str) -> Settings:
    return read(
        Settings,
        {
            "TAXI_MONGODB_URI": "mongodb://m/taxi", "TAXI_MONITOR_TOKEN": "secret-token",
            "TAXI_MONITOR_SCORES": scores,
        },
    )  # fmt: skip


def test_the_setting_names_scores_once_each() -> None:
    assert given_settings(" psi, ks,psi,").score_names == ("psi", "ks")
    assert given_settings("").score_names == ()
    with pytest.raises(FieldError, match="psy is no score; give some of wasserstein, "):
        given_settings("ks,psy")


def test_every_row_is_counted_once_in_one_bin_of_each_feature() -> None:
    state = watching(reference(), ROWS, 10)
    first, second = rides(200), rides(50, 200)

    for batch in (first, first[:70], second, first[150:]):
        state.ingest(batch)
    state.put_right([*second[:20], *rides(5, 250)])

    assert {total(state, name) for name in (PICKUP, DROPOFF, DISTANCE, PREDICTION)} == {255}
    assert counted(state)[DROPOFF, "unseen"] == 255
    assert counted(state)[DISTANCE, "null"] == 0


def test_an_answer_that_the_log_has_otherwise_is_not_counted_again() -> None:
    state = watching(reference(), ROWS, 10)
    taken = rides(20)
    state.ingest(taken)

    state.put_right([one._replace(prediction=1.0) for one in taken])

    assert total(state, PREDICTION) == 20


def test_counted_shares_give_psi_beside_the_exported_reference() -> None:
    state = watching(reference(), 10_000, 10)
    taken = rides(900)
    state.ingest(taken)

    rows, shares = (
        {key: value for key, value in exposed(state)[name].items() if key[0] == DISTANCE}
        for name in ("taxi_monitor_feature_rows_total", "taxi_monitor_reference_bin_ratio")
    )

    bins = bins_of(reference())[DISTANCE]
    miles = np.array([one.inputs[DISTANCE] for one in taken])
    assert rows.keys() == shares.keys() == {(DISTANCE, name) for name in bins.names}
    assert sum(shares.values()) == pytest.approx(1)
    assert psi(bins, np.array([rows[DISTANCE, name] for name in bins.names])) == psi(
        bins, bins.counts(miles)
    )


def test_rows_that_a_window_begins_with_are_not_counted_again() -> None:
    """The process before counted them, and Prometheus adds up both."""
    own = watched(reference(), ROWS)
    rebuild(own, rides(40), ())
    state = State(ROWS, 10)
    state.watch(Alias.CHAMPION, own)

    assert total(state, DISTANCE) == 0
    state.ingest([*rides(40), *rides(3, 40)])
    assert total(state, DISTANCE) == 3


def test_a_version_counts_in_series_of_its_own() -> None:
    state = watching(reference(), ROWS, 10)
    state.ingest(rides(30))

    state.watch(Alias.CHAMPION, watched(reference(), ROWS, version="v2"))
    state.ingest(_answered_by("v2", rides(4, 100)))

    versions = {(one.version, one.rows) for one in state.bin_counts() if one.bin == "unseen"
                and one.feature == DROPOFF}  # fmt: skip
    assert versions == {("v2", 4.0)}


def _answered_by(version: str, records: Sequence[PredictionRecord]) -> list[PredictionRecord]:
    return [one._replace(model_version=version) for one in records]
