"""Rides without a pickup time are answered, so their share is told wherever people look."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from flask import Flask, render_template
from numpy.random import Generator
from support.taxi_columns import taxi_reference

from taxi_domain.features import Features, calendar_of
from taxi_domain.models import Alias
from taxi_domain.records import PredictionRecord
from taxi_domain.rides import PICKUP_AT, Ride
from taxi_monitor.http import forms
from taxi_monitor.metrics.gauges import StateCollector
from taxi_monitor.windows.labelled import Labelled
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import WatchedVersion
from taxi_monitor.windows.window import Window
from taxi_profiles.reference import Reference

NOW = datetime(2021, 2, 1, 8, tzinfo=UTC)
ROWS = 400
MISSING = "taxi_monitor_feature_missing_ratio"


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
            "moment": np.sort(rng.uniform(0, 30 * 86400, 1200)),
        }
    )


def record(number: int, *, timed: bool) -> PredictionRecord:
    answered = NOW + timedelta(seconds=number)
    pickup_at = datetime(2021, 2, 1, 3) if timed else None  # noqa: DTZ001 - local time
    ride = Ride(number % 19 + 1, number % 17 + 1, 1 + number % 9, pickup_at, f"r{number}")
    features = Features(*ride[:3], *calendar_of(pickup_at))
    return PredictionRecord(f"r{number}", answered, "m", "v1", "champion", ride, features, 12.0)


def watching(reference: Reference) -> State:
    state = State(ROWS, ROWS)
    state.watch(
        Alias.CHAMPION,
        WatchedVersion("v1", "champion", reference, Window(ROWS), Labelled(ROWS)),
    )
    return state


def state_with(reference: Reference, untimed: int) -> State:
    """Return a state that evaluated a window with so many rides without a time."""
    state = watching(reference)
    state.ingest(record(number, timed=number >= untimed) for number in range(ROWS))
    state.evaluate(NOW.timestamp)
    return state


def missing_of(state: State) -> dict[str, float]:
    collector = StateCollector(state, "m", lambda: True, NOW.timestamp)
    return {
        sample.labels["feature"]: sample.value
        for family in collector.collect()
        for sample in family.samples
        if sample.name == MISSING
    }


@pytest.mark.parametrize(("untimed", "share"), [(0, 0.0), (ROWS * 3 // 10, 0.3), (ROWS, 1.0)])
def test_the_share_without_a_pickup_time_is_exported_and_reported(
    reference: Reference, untimed: int, share: float
) -> None:
    state = state_with(reference, untimed)

    (version,) = forms.drift(state, "m")["versions"]
    assert missing_of(state)[PICKUP_AT] == pytest.approx(share)
    assert version["window"]["without_pickup_time_ratio"] == pytest.approx(share)


def test_the_page_tells_the_share(reference: Reference) -> None:
    state = state_with(reference, ROWS // 4)
    app = Flask("taxi_monitor", template_folder="templates")

    with app.app_context():
        page = render_template(
            "verdict.html",
            drift=forms.drift(state, "m"), performance=forms.performance(state, "m"),
        )  # fmt: skip

    assert "25.0 % without a pickup time" in " ".join(page.split())


def test_a_window_that_is_not_judged_tells_no_share(reference: Reference) -> None:
    state = watching(reference)
    state.evaluate(NOW.timestamp)

    (version,) = forms.drift(state, "m")["versions"]
    assert missing_of(state) == {}
    assert version["window"]["without_pickup_time_ratio"] is None
