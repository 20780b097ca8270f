"""A feature that cannot be evaluated says so on the page and in JSON, and has no threshold."""

import re
from datetime import datetime

import numpy as np
import pytest
from support.monitor_windows import NOW, taxi_inputs, taxi_record, watching
from support.page_states import pages_of
from support.taxi_columns import taxi_reference

from taxi_domain.records import Label, PredictionRecord
from taxi_monitor.http import forms
from taxi_monitor.http.pages import Asked
from taxi_monitor.metrics.gauges import StateCollector
from taxi_monitor.windows.state import State
from taxi_profiles.reference import MOMENT

ROWS = 300
PROBLEM = "cannot be evaluated: every row of the reference has the same value"


@pytest.fixture(scope="module")
def state() -> State:
    """Return rows watched with a reference of one distance and of a perfect model."""
    rng = np.random.default_rng(7)
    rows = 1500
    zones = rng.integers(1, 20, (2, rows)).astype(np.float64)
    minutes = np.round(rng.gamma(3, 5, rows))
    reference = taxi_reference(
        {
            "PULocationID": zones[0], "DOLocationID": zones[1], "trip_distance": np.full(rows, 2.0),
            "prediction": minutes, "target": minutes,
            MOMENT: np.sort(rng.uniform(0, 30 * 86400, rows)),
        }
    )  # fmt: skip
    state = watching(reference, ROWS, ROWS)
    records = [record(number) for number in range(ROWS)]
    state.ingest(records)
    state.join([Label(row.row_id, 15.0, row.ts) for row in records])
    state.evaluate(NOW.timestamp)
    return state


def record(number: int) -> PredictionRecord:
    event_time = datetime(2021, 2, 1, number % 24)  # noqa: DTZ001 - local time
    inputs = taxi_inputs(number % 19 + 1, number % 17 + 1, 1.0 + number % 9)
    return taxi_record(number, inputs, event_time)


def test_json_has_the_reason_in_the_place_of_a_threshold(state: State) -> None:
    (version,) = forms.drift(state, "m")["versions"]
    features = {one["feature"]: one for one in version["features"]}
    (errors,) = forms.performance(state, "m")["versions"]

    distance = features["trip_distance"]
    assert (distance["threshold"], distance["score_ratio"], distance["problem"]) == (
        None,
        None,
        PROBLEM,
    )
    assert (distance["exceeded"], distance["decides"]) == (False, False)
    assert features["PULocationID"]["problem"] is None
    assert "trip_distance" not in version["drifted"]
    assert errors["actual"]["rmse"] == 3
    assert (errors["actual"]["limit"], errors["actual"]["problem"]) == (None, "cannot be evaluated")


def test_page_has_the_reason(state: State) -> None:
    page = pages_of(state).overview(Asked())

    assert PROBLEM in page
    text = " ".join(re.sub("<[^>]+>", " ", page).split())
    assert "RMSE 3 minutes (cannot be evaluated; the reference had" in text


def test_no_threshold_is_exported(state: State) -> None:
    collector = StateCollector(state, "m", {}, NOW.timestamp)
    found = {
        (family.name, sample.labels.get("feature"))
        for family in collector.collect()
        for sample in family.samples
    }

    assert ("taxi_monitor_feature_drift_score", "trip_distance") in found
    assert ("taxi_monitor_feature_drift_threshold", "trip_distance") not in found
    assert ("taxi_monitor_feature_drift_score_ratio", "trip_distance") not in found
    assert ("taxi_monitor_feature_drift_score_ratio", "PULocationID") in found
    names = {name for name, _ in found}
    assert "taxi_monitor_drift_score_ratio" in names, "the others are evaluated"
    assert "taxi_monitor_error_rmse" in names
    assert "taxi_monitor_error_score_ratio" not in names
