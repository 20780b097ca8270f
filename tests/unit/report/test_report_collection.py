"""Partitions are read whatever dies: lost workers, a database that is away, one bad partition."""

from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64
from hypothesis import given
from hypothesis import strategies as st
from support.report_rows import columns_of, layout, reference
from support.report_rows import rows_of as made_rows

from taxi_domain.errors import NotAvailableError
from taxi_report.collect import run as run_module
from taxi_report.collect.columns import numbers, rows_of
from taxi_report.collect.merge import MergeTree
from taxi_report.collect.partition import Part, Task
from taxi_report.collect.run import MAX_ATTEMPTS, Outcome, collect
from taxi_report.profile.layout import Layout
from taxi_report.profile.version import profile_of
from taxi_store.log.partitions import Key, Partition

REFERENCE, _ = reference(3000)
LAYOUT = layout(REFERENCE, sample_rows=50)
ROWS = made_rows(columns_of(700, 4))
COUNT = 7
PARTS = [
    Part(100, {"v1": profile_of(ROWS.taken(range(at * 100, at * 100 + 100)), LAYOUT)}, {}, {})
    for at in range(COUNT)
]
AT = Key(datetime(2021, 1, 1, tzinfo=UTC))


def task(place: int) -> Task:
    """Return a task that is told by its sample's size."""
    return Task(Partition("m", AT, AT), 0.0, 1.0, None, place, 1.0)


class Scripted:
    """Workers whose tasks end as a script says; a loss ends all that runs, as in a pool."""

    size = 2

    def __init__(self, script: Callable[[int, int], BaseException | None]) -> None:
        self._script = script
        self._tries = [0] * COUNT
        self._open: list[tuple[int, Future[Part]]] = []
        self.restarts = 0
        self.broken = False
        self.most = 0
        #: How often it is said that there are no workers.
        self.away = 0

    def submit(self, one: Task) -> "Future[Part]":
        if self.broken:
            raise BrokenExecutor
        future: Future[Part] = Future()
        self._open.append((one.sample_rows, future))
        self.most = max(self.most, len(self._open))
        # Full hands, or a suspect alone: the oldest ends.
        self._work()
        return future

    def _work(self) -> None:
        place, future = self._open[0]
        self._tries[place] += 1
        error = self._script(place, self._tries[place])
        if isinstance(error, BrokenExecutor):
            for _, one in self._open:
                one.set_exception(error)
            self._open.clear()
            self.broken = True
            return
        self._open.pop(0)
        if error is None:
            future.set_result(PARTS[place])
        else:
            future.set_exception(error)

    def is_loss(self, error: BaseException) -> bool:
        return isinstance(error, BrokenExecutor)

    def absence(self) -> str:
        if self.away:
            self.away -= 1
            return "no workers"
        return ""

    def restart(self) -> None:
        self.restarts += 1
        self.broken = False


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "_PAUSE_SECONDS", (0.0, 0.001))


def gathered(
    script: Callable[[int, int], BaseException | None], patience: float = 60.0
) -> tuple[Outcome, Scripted]:
    """Collect all parts with scripted workers."""
    workers = Scripted(script)
    done: list[int] = []
    outcome = collect(
        [task(place) for place in range(COUNT)], workers, lambda _version: LAYOUT,
        patience_seconds=patience, advance=lambda: done.append(1),
    )  # fmt: skip
    assert len(done) == COUNT
    return outcome, workers


def test_all_parts_are_in_the_whole_once() -> None:
    outcome, _ = gathered(lambda _place, _number: None)

    assert outcome.part.rows == 700
    assert outcome.part.profiles["v1"].rows == 700
    assert outcome.failed == {}


def test_a_partition_that_fails_once_is_read_again() -> None:
    outcome, _ = gathered(
        lambda place, number: ValueError("x") if number == 1 and place == 3 else None
    )

    assert outcome.part.rows == 700
    assert outcome.failed == {}


def test_a_partition_that_fails_for_good_is_named_and_the_others_stay() -> None:
    outcome, _ = gathered(lambda place, _number: ValueError("broken") if place == 3 else None)

    assert outcome.part.rows == 600
    assert outcome.failed == {3: "ValueError: broken"}


def test_one_lost_worker_loses_nothing() -> None:
    outcome, workers = gathered(
        lambda place, number: BrokenExecutor() if place == 2 and number == 1 else None
    )

    assert outcome.part.rows == 700
    assert workers.restarts == 1


def test_a_partition_that_kills_its_workers_takes_no_other_along() -> None:
    outcome, workers = gathered(lambda place, _number: BrokenExecutor() if place == 2 else None)

    assert outcome.part.rows == 600
    assert outcome.failed == {2: "RuntimeError: the worker that read it died"}
    assert workers.restarts <= MAX_ATTEMPTS + 1


def test_a_database_that_is_away_for_a_while_costs_no_attempt() -> None:
    outcome, _ = gathered(
        lambda place, number: NotAvailableError("away") if place == 1 and number < 10 else None
    )

    assert outcome.part.rows == 700
    assert outcome.failed == {}


def test_a_database_that_stays_away_ends_the_report() -> None:
    with pytest.raises(NotAvailableError, match="away"):
        gathered(lambda _place, _number: NotAvailableError("away"), patience=0.05)


class Idle(Scripted):
    """Workers that are away at first: what is begun ends once they are back."""

    def __init__(self, away: int) -> None:
        super().__init__(lambda _place, _number: None)
        self.away = away

    def submit(self, one: Task) -> "Future[Part]":
        if not self.away:
            return super().submit(one)
        future: Future[Part] = Future()
        self._open.append((one.sample_rows, future))
        return future

    def absence(self) -> str:
        found = super().absence()
        if not self.away:
            while self._open:
                self._work()
        return found


def test_workers_that_come_back_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "_LOOK_SECONDS", 0.01)
    outcome = collect(
        [task(place) for place in range(COUNT)], Idle(20), lambda _version: LAYOUT,
        patience_seconds=60,
    )  # fmt: skip

    assert outcome.part.rows == 700
    assert outcome.failed == {}


def test_workers_that_stay_away_end_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "_LOOK_SECONDS", 0.01)
    with pytest.raises(NotAvailableError, match="no workers"):
        collect(
            [task(place) for place in range(COUNT)], Idle(10**9), lambda _version: LAYOUT,
            patience_seconds=0.1,
        )  # fmt: skip


def test_a_task_that_is_lost_with_all_workers_costs_no_attempt() -> None:
    workers = Scripted(lambda place, number: None)

    def script(place: int, number: int) -> BaseException | None:
        if place != 2 or number > 2 * MAX_ATTEMPTS:
            return None
        workers.away = 3
        return BrokenExecutor()

    workers._script = script
    outcome = collect(
        [task(place) for place in range(COUNT)], workers, lambda _version: LAYOUT,
        patience_seconds=60,
    )  # fmt: skip

    assert outcome.part.rows == 700
    assert outcome.failed == {}


def test_rows_of_a_version_whose_reference_goes_away_are_counted() -> None:
    answers: Iterator[Layout | str] = iter(
        [LAYOUT, "its archive is gone", LAYOUT, LAYOUT, LAYOUT, LAYOUT]
    )
    tree = MergeTree(COUNT, lambda _version: next(answers))
    for place in range(COUNT):
        tree.add(place, PARTS[place])

    whole = tree.result()

    assert whole.rows == 700
    assert whole.unprofiled == {"v1": (200, "its archive is gone")}
    assert whole.profiles["v1"].rows == 500


@given(st.permutations(range(COUNT)))
def test_the_order_of_coming_does_not_matter(order: list[int]) -> None:
    tree = MergeTree(COUNT, lambda _version: LAYOUT)
    straight = MergeTree(COUNT, lambda _version: LAYOUT)
    for place in order:
        tree.add(place, PARTS[place])
    for place in range(COUNT):
        straight.add(place, PARTS[place])

    first, second = (one.result().profiles["v1"] for one in (tree, straight))
    assert all((table == second.tables[name]).all() for name, table in first.tables.items())
    assert first.sample.rows.ids == second.sample.rows.ids
    assert all(one.squares == second.numeric[name].squares for name, one in first.numeric.items())


def test_nothing_is_counted_twice_and_nothing_may_be_missing() -> None:
    tree = MergeTree(2, lambda _version: LAYOUT)
    tree.add(0, PARTS[0])

    with pytest.raises(ValueError, match="came twice"):
        tree.add(0, PARTS[0])
    with pytest.raises(ValueError, match="1 parts are missing"):
        tree.result()


def test_no_partitions_are_an_empty_part() -> None:
    assert MergeTree(0, lambda _version: LAYOUT).result() == Part()


def test_versions_without_a_reference_are_counted() -> None:
    tree = MergeTree(3, lambda _version: LAYOUT)
    for place in range(3):
        tree.add(place, Part(5, {}, {"gone": (5, "no artifact")}, {"predictions": 1}))

    assert tree.result() == Part(15, {}, {"gone": (15, "no artifact")}, {"predictions": 3})


def test_what_is_no_number_is_missing() -> None:
    found = numbers([1, 10**400, None, "3", True, {}, 2.5, float("inf")])

    assert np.isnan(found[[2, 3, 4, 5]]).all()
    assert found[[0, 6]].tolist() == [1.0, 2.5]
    assert not np.isfinite(found[[1, 7]]).any()


def test_numbers_of_other_drivers_are_numbers_and_wild_ones_are_none() -> None:
    found = numbers([Int64(2**40), Int64(5), 1e99, 1e155, -1e308, DatetimeMS(5)])

    assert found[:3].tolist() == [2.0**40, 5.0, 1e99]
    assert np.isnan(found[3:]).all()


@pytest.mark.parametrize("event", [float("nan"), float("inf"), True, 5, 5.0, "noon", None])
def test_an_odd_event_time_is_none_and_costs_no_row(event: object) -> None:
    documents: list[dict[str, Any]] = [
        {"_id": f"r{place}", "ts": DatetimeMS(place), "event_time": DatetimeMS(7000),
         "inputs": {"trip_distance": 1.0}, "prediction": 2.0}
        for place in range(3)
    ]  # fmt: skip
    documents[1]["event_time"] = event

    found = rows_of(documents, LAYOUT, {})

    assert found.timed.tolist() == [True, False, True]
    # Where there is none, the time of the answer in the schema's zone.
    assert found.moments.tolist() == [7.0, 0.001 - 5 * 3600, 7.0]
