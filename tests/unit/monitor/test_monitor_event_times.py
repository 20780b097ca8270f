"""Rows without an event time are answered, so their share is told wherever people look."""

from datetime import datetime

import numpy as np
import pytest
from numpy.random import Generator
from support.monitor_windows import NOW, taxi_inputs, taxi_record, watching
from support.page_states import pages_of
from support.taxi_columns import EVENT_TIME, taxi_reference

from taxi_domain.records import PredictionRecord
from taxi_monitor.http import forms
from taxi_monitor.http.pages import Asked
from taxi_monitor.metrics.gauges import StateCollector
from taxi_monitor.windows.state import State
from taxi_profiles.reference import MOMENT, Reference

ROWS = 400
MISSING = "taxi_monitor_feature_missing_ratio"
EVENT_TIME_MISSING = "taxi_monitor_event_time_missing_ratio"


@pytest.fixture(scope="module")
def reference() -> Reference:
    rng: Generator = np.random.default_rng(7)
    minutes = rng.gamma(3, 5, 1200)
    return taxi_reference(
        {
            "PULocationID": rng.integers(1, 20, 1200).astype(np.float64),
            "DOLocationID": rng.integers(1, 20, 1200).astype(np.float64),
            "trip_distance": rng.gamma(1.5, 2.0, 1200),
            "prediction": minutes,
            "target": minutes + rng.normal(0, 1, 1200),
            MOMENT: np.sort(rng.uniform(0, 30 * 86400, 1200)),
        }
    )


def record(number: int, *, timed: bool) -> PredictionRecord:
    event_time = datetime(2021, 2, 1, 3) if timed else None  # noqa: DTZ001 - local time
    inputs = taxi_inputs(number % 19 + 1, number % 17 + 1, 1 + number % 9)
    return taxi_record(number, inputs, event_time)


def state_with(reference: Reference, untimed: int) -> State:
    """Return a state that evaluated a window with so many rows without a time."""
    state = watching(reference, ROWS, ROWS)
    state.ingest(record(number, timed=number >= untimed) for number in range(ROWS))
    state.evaluate(NOW.timestamp)
    return state


def missing_of(state: State) -> dict[str, float]:
    collector = StateCollector(state, "m", {}, NOW.timestamp)
    return {
        sample.labels.get("feature", EVENT_TIME): sample.value
        for family in collector.collect()
        for sample in family.samples
        if sample.name in {MISSING, EVENT_TIME_MISSING}
    }


@pytest.mark.parametrize(("untimed", "share"), [(0, 0.0), (ROWS * 3 // 10, 0.3), (ROWS, 1.0)])
def test_the_share_without_an_event_time_is_exported_and_reported(
    reference: Reference, untimed: int, share: float
) -> None:
    state = state_with(reference, untimed)

    (version,) = forms.drift(state, "m")["versions"]
    assert missing_of(state)[EVENT_TIME] == pytest.approx(share)
    assert version["window"]["without_event_time_ratio"] == pytest.approx(share)


def test_the_page_tells_the_share(reference: Reference) -> None:
    state = state_with(reference, ROWS // 4)

    page = pages_of(state).overview(Asked())

    assert "25 % without lpep_pickup_datetime" in " ".join(page.split())


def test_a_window_that_is_not_evaluated_tells_no_share(reference: Reference) -> None:
    state = watching(reference, ROWS, ROWS)
    state.evaluate(NOW.timestamp)

    (version,) = forms.drift(state, "m")["versions"]
    assert missing_of(state) == {}
    assert version["window"]["without_event_time_ratio"] is None
