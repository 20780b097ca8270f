"""Real, uncut labels: the error is of the target's limits, and the share outside is told."""

import numpy as np
import pytest
from support.monitor_windows import NOW, rebuild, taxi_inputs, taxi_record, watched
from support.taxi_columns import (
    DISTANCE,
    DROPOFF,
    PICKUP,
    SCHEMA,
    taxi_reference,
    taxi_rides,
    usual,
)

from taxi_domain.models import Alias
from taxi_domain.records import Label, PredictionRecord
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import Evaluation
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference
from taxi_schema.columns.rows import LabelledRows

ROWS, FEWEST = 2000, 500


def predicted(rides: LabelledRows) -> np.ndarray:
    # A plain stand-in for a model: good enough to have errors of its own.
    return np.asarray(5 + 3.2 * np.minimum(rides.columns[DISTANCE], 15))


@pytest.fixture(scope="module")
def month() -> LabelledRows:
    """Rides of an ordinary fortnight as TLC has them, less what the predictor refuses."""
    rides = taxi_rides("green-2020-03-before.parquet")
    return rides[(rides.columns[DISTANCE] <= 100) & (rides.target >= 0)]


@pytest.fixture(scope="module")
def reference(month: LabelledRows) -> Reference:
    rides = usual(month[:20_000])
    inputs = {name: rides.columns[name].astype(np.float64) for name in (PICKUP, DROPOFF, DISTANCE)}
    times = {MOMENT: rides.moments, PREDICTION: predicted(rides), TARGET: rides.target}
    return taxi_reference({**inputs, **times})


def logged(rides: LabelledRows) -> list[tuple[PredictionRecord, Label]]:
    """Return the records and labels of rides, answered a second after each other."""
    pairs = []
    for number, prediction in enumerate(predicted(rides).tolist()):
        pickup, dropoff, distance = (
            rides.columns[name][number].item() for name in (PICKUP, DROPOFF, DISTANCE)
        )
        record = taxi_record(
            number, taxi_inputs(pickup, dropoff, distance), rides.event_times[number].item(),
            prediction=prediction,
        )  # fmt: skip
        pairs.append((record, Label(record.row_id, float(rides.target[number]), NOW)))
    return pairs


def evaluated(state: State) -> Evaluation:
    state.evaluate(lambda: NOW.timestamp())
    ((_, found),) = state.evaluations()
    return found


def running(reference: Reference, pairs: list[tuple[PredictionRecord, Label]]) -> Evaluation:
    """Return what a monitor says that took rides and labels as they came."""
    state = State(ROWS, FEWEST)
    state.watch(Alias.CHAMPION, watched(reference, ROWS))
    for start in range(0, len(pairs), 100):
        part = pairs[start : start + 100]
        state.ingest(record for record, _ in part)
        state.join([label for _, label in part])
    return evaluated(state)


def restarted(reference: Reference, pairs: list[tuple[PredictionRecord, Label]]) -> Evaluation:
    """Return what a monitor says that read the same from the log."""
    state = State(ROWS, FEWEST)
    version = watched(reference, ROWS)
    rebuild(version, [record for record, _ in pairs[-ROWS:]], pairs)
    state.watch(Alias.CHAMPION, version)
    return evaluated(state)


@pytest.mark.parametrize("start", [45_000, 140_000])
def test_real_labels_of_ordinary_days_leave_the_error_below_its_limit(
    month: LabelledRows, reference: Reference, start: int
) -> None:
    pairs = logged(month[start : start + 3000])
    outside = [not SCHEMA.target.is_evaluated(label.value) for _, label in pairs]
    assert max(label.value for _, label in pairs) > 600

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
    month: LabelledRows, reference: Reference
) -> None:
    meter_left_on = [
        (record, label._replace(value=1440.0))
        for record, label in logged(month[:FEWEST])
    ]  # fmt: skip

    found = running(reference, meter_left_on)

    assert found.errors is None
    assert found.labelled.rows == 0
    assert found.outside_ratio == 1


def test_the_share_of_few_labels_is_not_known(month: LabelledRows, reference: Reference) -> None:
    found = running(reference, logged(month[: FEWEST - 1]))

    assert found.outside_ratio is None
