"""Real, uncut labels: the error is of the target's limits, and the share outside is told."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from support.taxi_columns import DISTANCE, DROPOFF, PICKUP, taxi_reference

from taxi_domain.durations import LABEL_MAXIMUM, TARGET_MAXIMUM, TARGET_MINIMUM
from taxi_domain.features import Features, calendar_of
from taxi_domain.models import Alias
from taxi_domain.records import Label, PredictionRecord
from taxi_domain.rides import Ride
from taxi_monitor.windows.labelled import Labelled
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import Evaluation, WatchedVersion, rebuild
from taxi_monitor.windows.window import Window
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference
from taxi_train.data.rides import Rides, read_all, within_limits

SAMPLES = Path(__file__).parents[3] / "jobs" / "train" / "src" / "taxi_train" / "samples"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local time
ROWS, FEWEST = 2000, 500


def predicted(rides: Rides) -> np.ndarray:
    # A plain stand-in for a model: good enough to have errors of its own.
    return np.asarray(5 + 3.2 * np.minimum(rides.distance, 15))


@pytest.fixture(scope="module")
def month() -> Rides:
    """Rides of an ordinary fortnight as TLC has them, less what the predictor refuses."""
    rides = read_all(SAMPLES / "green-2020-03-before.parquet")
    return rides[(rides.distance <= 100) & (rides.duration >= 0)]


@pytest.fixture(scope="module")
def reference(month: Rides) -> Reference:
    rides = within_limits(month[:20_000])
    return taxi_reference(
        {
            PICKUP: rides.pickup, DROPOFF: rides.dropoff, DISTANCE: rides.distance,
            MOMENT: rides.moment, PREDICTION: predicted(rides), TARGET: rides.duration,
        }
    )  # fmt: skip


def logged(rides: Rides) -> list[tuple[PredictionRecord, Label]]:
    """Return the records and labels of rides, answered a second after each other."""
    found = []
    for number, prediction in enumerate(predicted(rides)):
        pickup_at = EPOCH + timedelta(seconds=float(rides.moment[number]))
        zones = int(rides.pickup[number]), int(rides.dropoff[number])
        ride = Ride(*zones, float(rides.distance[number]), pickup_at, f"r{number:05d}")
        features = Features(*zones, ride.trip_distance_miles, *calendar_of(pickup_at))
        record = PredictionRecord(
            f"r{number:05d}", NOW + timedelta(seconds=number), "m", "v", "champion", ride, features,
            float(prediction),
        )  # fmt: skip
        found.append((record, Label(record.ride_id, float(rides.duration[number]), NOW)))
    return found


def watched(reference: Reference) -> WatchedVersion:
    return WatchedVersion("v", Alias.CHAMPION, reference, Window(ROWS), Labelled(ROWS))


def evaluated(state: State) -> Evaluation:
    state.evaluate(lambda: NOW.timestamp())
    ((_, found),) = state.evaluations()
    return found


def running(reference: Reference, pairs: list[tuple[PredictionRecord, Label]]) -> Evaluation:
    """Return what a monitor says that took rides and labels as they came."""
    state = State(ROWS, FEWEST)
    state.watch(Alias.CHAMPION, watched(reference))
    for start in range(0, len(pairs), 100):
        part = pairs[start : start + 100]
        state.ingest(record for record, _ in part)
        state.join([label for _, label in part])
    return evaluated(state)


def restarted(reference: Reference, pairs: list[tuple[PredictionRecord, Label]]) -> Evaluation:
    """Return what a monitor says that read the same from the log."""
    state = State(ROWS, FEWEST)
    version = watched(reference)
    rebuild(version, [record for record, _ in pairs[-ROWS:]], pairs)
    state.watch(Alias.CHAMPION, version)
    return evaluated(state)


@pytest.mark.parametrize("start", [45_000, 140_000])
def test_real_labels_of_ordinary_days_leave_the_error_below_its_limit(
    month: Rides, reference: Reference, start: int
) -> None:
    pairs = logged(month[start : start + 3000])
    outside = [not TARGET_MINIMUM <= one.duration <= TARGET_MAXIMUM for _, one in pairs]
    assert max(one.duration for _, one in pairs) > 10 * TARGET_MAXIMUM

    found = running(reference, pairs)

    assert found.errors is not None
    assert found.errors.error is not None
    assert found.errors.error.score_ratio is not None
    assert found.errors.error.score_ratio < 1
    assert found.labelled.rows == ROWS
    assert found.outside_ratio == sum(outside[-ROWS:]) / ROWS
    assert 0.01 < found.outside_ratio < 0.1
    again = restarted(reference, pairs)
    assert (again.errors, again.outside_ratio) == (found.errors, found.outside_ratio)


def test_labels_that_are_all_outside_are_no_error_but_a_share(
    month: Rides, reference: Reference
) -> None:
    meter_left_on = [
        (record, label._replace(duration=LABEL_MAXIMUM))
        for record, label in logged(month[:FEWEST])
    ]  # fmt: skip

    found = running(reference, meter_left_on)

    assert found.errors is None
    assert found.labelled.rows == 0
    assert found.outside_ratio == 1


def test_the_share_of_few_labels_is_not_known(month: Rides, reference: Reference) -> None:
    found = running(reference, logged(month[: FEWEST - 1]))

    assert found.outside_ratio is None
