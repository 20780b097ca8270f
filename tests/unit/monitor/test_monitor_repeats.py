"""Rows and labels in any order and twice: a monitor says what it would say after a restart."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.monitor_windows import NOW, rebuild, taxi_inputs, taxi_record, watched
from support.taxi_columns import INPUTS, taxi_reference

from taxi_domain.models import Alias
from taxi_domain.records import Label, PredictionRecord, Shadow
from taxi_monitor.records.batch import RecordBatch, batch_of
from taxi_monitor.tailer.intake import take_labels, take_logged
from taxi_monitor.windows.state import State
from taxi_monitor.windows.window import Snapshot
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference
from taxi_store.log.prediction_log import Stored

VERSIONS = {Alias.CHAMPION: "v1", Alias.FALLBACK: "v2"}
ROWS = 9


@cache
def reference() -> Reference:
    values = np.arange(1.0, 201.0)
    return taxi_reference(dict.fromkeys((*INPUTS, PREDICTION, TARGET, MOMENT), values))


def an_answer(row: int, seconds: float, prediction: float, versions: str) -> PredictionRecord:
    """Return an answer to a row; `versions` is the one that answered and those in its shadow."""
    answered, *shadows = (f"v{number}" for number in versions)
    return taxi_record(
        row, {**taxi_inputs(1, 2, 1.5), "trip_distance": None if row % 4 else 1.5},
        ts=NOW + timedelta(seconds=seconds), model_version=answered, prediction=prediction,
        shadow=tuple(Shadow(shadow, prediction + 1) for shadow in shadows),
    )  # fmt: skip


class DictLog:
    """A log as MongoDB keeps it: the first of each row stays."""

    def __init__(self) -> None:
        self.records: dict[str, PredictionRecord] = {}
        self.labels: dict[str, Label] = {}

    def store(self, record: PredictionRecord) -> None:
        self.records.setdefault(record.row_id, record)

    def store_label(self, label: Label) -> Label:
        return self.labels.setdefault(label.row_id, label)

    def tail(self) -> list[Stored]:
        return [Stored(NOW, one.row_id, one.ts) for one in self.records.values()]

    def batches_of(self, row_ids: Sequence[str]) -> list[RecordBatch]:
        return [batch_of(self.records[one] for one in row_ids if one in self.records)]

    def labels_of(self, row_ids: Sequence[str]) -> list[Label]:
        return [self.labels[one] for one in row_ids if one in self.labels]


class Monitor:
    """The state and the log that it follows."""

    def __init__(self, rows: int) -> None:
        self.log, self.rows = DictLog(), rows
        self.state = self._watching()

    def _watching(self) -> State:
        state = State(self.rows, 1)
        for alias, version in VERSIONS.items():
            own = watched(reference(), self.rows, version=version, role=alias)
            pairs = [
                (one, self.log.labels[one.row_id])
                for one in self.log.records.values()
                if one.row_id in self.log.labels
            ]
            rebuild(own, self.log.records.values(), pairs)
            state.watch(alias, own)
        return state

    def restart(self) -> None:
        self.state = self._watching()

    def push(self, record: PredictionRecord) -> None:
        self.state.ingest([record])

    def store(self, record: PredictionRecord) -> None:
        self.log.store(record)

    def label(self, label: Label) -> None:
        take_labels(self.state, self.log, [self.log.store_label(label)])

    def follow(self) -> None:
        take_logged(self.state, self.log, self.log.tail())

    def says(self) -> list[Any]:
        found: list[Any] = []
        for one in self.state.watched():
            labelled = one.labelled.snapshot()
            found += [_rows(one.window.snapshot()), _rows(labelled.evaluated)]
            found += [labelled.rows, labelled.outside]
        return found


def _rows(snapshot: Snapshot) -> list[list[float]]:
    columns = np.column_stack(list(snapshot.columns.values()))
    rows: list[list[float]] = np.nan_to_num(columns, nan=-1.0).tolist()
    return [*rows, [snapshot.rows]]


MINUTES = st.sampled_from([0.0, 7.0, 12.0, 60.0, 611.0])
NUMBERS = st.integers(0, ROWS - 1)
LABELS = st.builds(lambda row, minutes: ("label", Label(f"r{row}", minutes, NOW)), NUMBERS, MINUTES)
OTHERS = st.sampled_from([("follow", None), ("restart", None)])


def steps(answers: st.SearchStrategy[PredictionRecord]) -> st.SearchStrategy[list[Any]]:
    """Return what happens to a monitor: answers posted and stored, labels, looks, restarts."""
    posted = st.tuples(st.sampled_from(["push", "store"]), answers)
    return st.lists(st.one_of(posted, posted, LABELS, OTHERS), max_size=40)


#: A row has one answer, whoever sends it and how often.
ONE_ANSWER = NUMBERS.map(lambda row: an_answer(row, row % 7, row, "12" if row % 3 else "1"))
#: A client asked again, and another pod gave another answer, at another time.
ANSWERS = st.builds(
    lambda row, again: an_answer(row, again, 5 + again, ("1", "2", "12", "3", "1")[again]),
    NUMBERS,
    st.integers(0, 4),
)


def check(happened: list[Any], rows: int) -> None:
    monitor = Monitor(rows)
    for name, value in happened:
        getattr(monitor, name)(*([] if value is None else [value]))
    for name, value in happened:
        if name == "push":
            monitor.store(value)  # what is posted comes into the log too, at the latest now
    monitor.follow()
    running = monitor.says()
    monitor.restart()
    assert running == monitor.says()


@given(steps(ONE_ANSWER), st.sampled_from([2, 4, ROWS]))
def test_running_is_restarted_with_small_windows(happened: list[Any], rows: int) -> None:
    check(happened, rows)


@given(steps(ANSWERS))
def test_running_is_restarted_with_other_answers_to_the_same_row(happened: list[Any]) -> None:
    check(happened, ROWS)


ANSWER = an_answer(1, 1, 5.0, "1")


@pytest.mark.parametrize("names", ["LLPS", "PLLS", "PSLL", "LPLS", "LSLP"])
def test_the_first_label_of_a_row_stays(names: str) -> None:
    monitor = Monitor(ROWS)
    labels = iter([Label("r1", 12.0, NOW), Label("r1", 50.0, NOW)])
    for name in names:
        match name:
            case "L":
                monitor.label(next(labels))
            case "P":
                monitor.push(ANSWER)
            case _:
                monitor.store(ANSWER)
                monitor.follow()

    (champion, _) = monitor.state.watched()
    assert champion.labelled.snapshot().evaluated.columns["target"].tolist() == [12.0]


def test_a_label_is_joined_and_its_lag_counted_once() -> None:
    monitor = Monitor(ROWS)
    monitor.push(ANSWER)
    label = monitor.log.store_label(Label("r1", 12.0, NOW + timedelta(seconds=61)))

    assert take_labels(monitor.state, monitor.log, [label]) == [60.0]
    assert take_labels(monitor.state, monitor.log, [label]) == []


def test_a_lag_is_told_once_though_its_label_is_joined_again() -> None:
    monitor = Monitor(ROWS)
    monitor.push(an_answer(1, 1.0, 7.0, "1"))  # not the answer of the log
    monitor.store(ANSWER)
    label = monitor.log.store_label(Label("r1", 12.0, NOW + timedelta(seconds=61)))

    told = [take_labels(monitor.state, monitor.log, [label])]
    told.append(take_logged(monitor.state, monitor.log, monitor.log.tail()).lags)
    monitor.state.watch(Alias.FALLBACK, watched(reference(), ROWS, role=Alias.FALLBACK))
    told.append(take_logged(monitor.state, monitor.log, monitor.log.tail()).lags)

    assert told == [[60.0], [], []]
    assert [one.labelled.snapshot().rows for one in monitor.state.watched()] == [1, 1]


def test_the_lag_of_a_label_that_waited_for_its_row_is_told() -> None:
    monitor = Monitor(ROWS)
    label = monitor.log.store_label(Label("r1", 12.0, NOW + timedelta(seconds=61)))
    assert take_labels(monitor.state, monitor.log, [label]) == []
    monitor.store(ANSWER)

    assert take_logged(monitor.state, monitor.log, monitor.log.tail()).lags == [60.0]


def test_a_late_label_reaches_every_version_that_answered() -> None:
    # The row left the champion's window, but not the fallback's, where few rows came since.
    monitor = Monitor(2)
    for row in range(200):
        monitor.store(one := an_answer(row, row, 5.0, "1" if row else "21"))
        monitor.push(one)
    monitor.label(Label("r0", 12.0, NOW))

    running = monitor.says()
    monitor.restart()
    assert running == monitor.says()


def test_the_same_answer_again_is_no_row_that_was_seen() -> None:
    monitor = Monitor(ROWS)
    record = an_answer(1, 1.0, 5.0, "12")
    monitor.push(record)
    monitor.store(record)
    monitor.label(Label("r1", 7.0, NOW))
    before = monitor.says()

    done = monitor.state.put_right([record])

    assert done.new == 0
    assert [one.window.seen for one in monitor.state.watched()] == [1, 1]
    assert monitor.says() == before
