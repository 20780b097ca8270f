"""Blocks of labels wait for labels enough: whoever chooses who gets one chooses the error."""

import random
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from support.judged_log import Judged

from taxi_domain.verdicts import BlockState, Side
from taxi_local.mongod import Mongod
from taxi_store.connection import connect

pytestmark = pytest.mark.component

ROWS = range(6000, 6400)
HOUR = 3600.0
Begun = Callable[..., Judged]


@pytest.fixture
def begun(shared_mongod: Mongod) -> Iterator[Begun]:
    with connect(shared_mongod.uri, app_name="test") as client:
        databases: Any = client
        yield lambda **settings: Judged(databases[f"taxi-{uuid.uuid4().hex[:8]}"], **settings)


def answered(one: Judged, numbers: range = ROWS, seconds: float = 1.0) -> None:
    """Log rides, some at a time."""
    for start in range(numbers.start, numbers.stop, 10):
        one.seconds += seconds
        one.store(range(start, min(start + 10, numbers.stop)))


def some(numbers: range, share: float) -> list[int]:
    return sorted(random.Random(3).sample(numbers, round(share * len(numbers))))


def test_a_block_is_held_until_its_time_has_labels_enough(begun: Begun) -> None:
    one = begun()
    monitor = one.monitor()
    answered(one)
    first = some(ROWS, 0.6)
    one.label(first)
    one.seconds += 30.0

    view = one.view(monitor)

    assert Side.LABELS not in view.verdicts
    assert view.held is not None
    assert view.coverage == pytest.approx(0.6, abs=0.05)
    assert view.held.needed == pytest.approx(0.9, abs=0.01)
    again = one.view(one.monitor())
    assert (again.held, again.coverage) == (view.held, view.coverage)

    one.label(sorted({*ROWS} - {*first}))
    one.seconds += 30.0
    after = one.view(monitor)

    assert after.held is None
    assert after.coverage == 1.0
    assert after.verdicts[Side.LABELS].block == 2, "labels that errors do not count take no place"
    released = [it["released_at"] for it in one.verdicts() if it["side"] == "labels"]
    assert released == [one.now() - timedelta(seconds=30)] * 3


def test_when_a_monitor_looks_and_when_it_is_killed_changes_nothing(begun: Begun) -> None:
    def fill(one: Judged, each: Callable[[], object]) -> None:
        chance = random.Random(11)
        waiting: list[int] = []
        for start in range(6000, 6700, 50):
            one.seconds += 5.0
            numbers = range(start, start + 50)
            one.store(numbers)
            waiting += numbers
            # Labels come in no order; the last of a time takes long.
            chance.shuffle(waiting)
            arrived, waiting = waiting[:45], waiting[45:]
            one.label(arrived)
            each()
        one.seconds += 40.0
        one.label(waiting)
        one.seconds += 60.0
        each()

    whole = begun()
    fill(whole, lambda: None)
    whole.view(whole.monitor())

    other = begun()
    monitors = [other.monitor()]
    chance = random.Random(5)
    held = []

    def look() -> None:
        if chance.random() < 0.4:
            monitors[0] = other.monitor()
        held.append(other.view(monitors[0]).held)

    fill(other, look)

    assert any(held)
    assert held[-1] is None
    expected = [{**it, "backfilled": False} for it in whole.verdicts()]
    assert len(expected) >= 12
    assert [{**it, "backfilled": False} for it in other.verdicts()] == expected


def test_a_block_is_passed_over_when_labels_are_overdue(begun: Begun) -> None:
    one = begun(TAXI_MONITOR_LABELS_OVERDUE_HOURS="1")
    monitor = one.monitor()
    answered(one)
    one.label(some(range(6000, 6200), 0.7))
    one.seconds += 30.0
    assert one.view(monitor).held is not None

    one.label(range(6200, 6400))
    one.seconds += HOUR - 60.0
    held = one.view(monitor)
    one.seconds += 60.0
    view = one.view(monitor)

    assert held.held is not None
    passed = [it for it in one.verdicts() if it["side"] == "labels"]
    assert [it["state"] for it in passed] == ["short", "ok", "ok"]
    (problem,) = passed[0]["problems"]
    assert problem["name"] == "coverage"
    assert "rows of its time have a label" in problem["reason"]
    assert view.held is None
    assert view.verdicts[Side.LABELS].state is BlockState.OK
    again = one.view(one.monitor())
    assert again.verdicts == view.verdicts


def test_labels_of_a_known_sample_are_judged(begun: Begun) -> None:
    numbers = range(6000, 8000)
    sample = some(numbers, 0.15)
    held = {}
    for share in ("1", "0.15", "0.4"):
        one = begun(TAXI_MONITOR_LABELLED_SHARE=share)
        answered(one, numbers)
        one.label(sample)
        one.seconds += 30.0
        view = one.view(one.monitor())
        held[share] = view.held
        assert view.coverage == pytest.approx(0.15, abs=0.04)

    assert held["0.15"] is None
    assert held["1"] is not None
    assert held["0.4"] is not None, "fewer than of a sample of that size"


def test_any_block_is_judged_where_no_coverage_is_asked_for(begun: Begun) -> None:
    one = begun(TAXI_MONITOR_MIN_LABEL_COVERAGE="0")
    answered(one)
    one.label(some(ROWS, 0.5))
    one.seconds += 30.0

    view = one.view(one.monitor())

    assert view.held is None
    assert view.verdicts[Side.LABELS].block == 0


def test_late_labels_are_counted_and_change_no_block(begun: Begun) -> None:
    one = begun()
    monitor = one.monitor()
    one.view(monitor)
    answered(one, range(6000, 6150))
    one.label(range(6000, 6110))
    one.seconds += 15.0
    judged = one.view(monitor)
    before = one.verdicts()

    one.label(range(6110, 6117), behind=13.0)  # the clock of a machine is behind
    one.label(range(6117, 6130))
    one.seconds += 130.0
    view = one.view(monitor)

    assert judged.verdicts[Side.LABELS].block == 0
    assert view.late_labels == 7
    assert one.verdicts() == before
