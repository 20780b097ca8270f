"""The monitor's state: the versions that are watched, behind one lock."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Final, NamedTuple

import numpy as np

from taxi_domain.models import Alias
from taxi_domain.records import Label, PredictionRecord, utc
from taxi_monitor.records.batch import RecordBatch, batch_of, part_of
from taxi_monitor.windows.lately import Lately
from taxi_monitor.windows.misfits import PUSH
from taxi_monitor.windows.versions import Evaluation, Matches, WatchedVersion, known
from taxi_monitor.windows.window import Floats, Mask, Rows, firsts
from taxi_profiles.scores.named import named_scores
from taxi_schema.schema import Schema
from taxi_store.log.prediction_log import Stored

#: Rows that came lately, at the least; the log is read again over some seconds.
_MAX_RECENT: Final = 100_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a batch: rows new to a window, and all others (repeats, other versions)."""

    new: int
    other: int


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of labels: the lags of those first joined now (seconds), and rows not at hand."""

    lags: list[float]
    without_row: list[Label]


class BinCount(NamedTuple):
    """Rows of a version in one bin of a feature."""

    role: str
    version: str
    feature: str
    bin: str
    rows: float


class State:
    """Shared by request threads and the log tailer."""

    def __init__(self, window_rows: int, min_rows: int, scores: Sequence[str] = ()) -> None:
        self._lock = threading.Lock()
        self._watched: dict[str, WatchedVersion] = {}
        #: Answer times of the rows that were taken, as the log would have them.
        self._recent = Lately(_MAX_RECENT)
        #: Rows whose label's lag was told.
        self._told = Lately(_MAX_RECENT)
        self._window_rows = window_rows
        self._min_rows = min_rows
        self._scores = tuple(scores)
        self.problem = "the log was not read yet"

    def ingest(self, records: Iterable[PredictionRecord] | RecordBatch) -> Ingested:
        """Put posted records into the windows of their versions; the first of a row stays."""
        batch = _batch(records)
        with self._lock:
            fresh = firsts(batch.ids) & ~self._recent.has(batch.ids)
            part = batch if fresh.all() else part_of(batch, np.flatnonzero(fresh).tolist())
            new = self._take(part, _push)
        return Ingested(new, len(batch) - new)

    def put_right(self, records: Iterable[PredictionRecord] | RecordBatch) -> Ingested:
        """Put records of the log into the windows, in place of other answers that were posted.

        Args:
            records: Each row once.
        """
        batch = _batch(records)
        with self._lock:
            new = self._take(batch, WatchedVersion.put_right)
        return Ingested(new, len(batch) - new)

    def _take(self, batch: RecordBatch, add: Callable[[WatchedVersion, RecordBatch], Mask]) -> int:
        """Let every version take records; return how many were new to any."""
        self._recent.update(batch.ids, batch.milliseconds.tolist())
        taken = np.zeros(len(batch), np.bool_)
        for watched in self._watched.values():
            taken |= add(watched, batch)
        return int(taken.sum())

    def missing_of(self, stored: Sequence[Stored]) -> list[str]:
        """Return the ids of rows of the log whose answer there was not taken lately."""
        ids = [one.row_id for one in stored]
        with self._lock:
            taken = self._recent.get(ids).tolist()
        return [
            one.row_id
            for one, at in zip(stored, taken, strict=True)
            if not isinstance(one.ts, datetime) or at != _milliseconds(one.ts)
        ]

    def join(self, labels: Sequence[Label]) -> Joined:
        """Join labels, as the log has them, each row's once, with the rows of the windows."""
        ids = [label.row_id for label in labels]
        targets = np.array([label.value for label in labels])
        with self._lock:
            versions = list(self._watched.values())
            found = [watched.join(ids, targets) for watched in versions]
            answered, lags = self._lags(labels, found)
            # What is at hand for one version may have left the window of another one.
            without = np.isnan(answered)
            rows = Rows(answered, ids, np.empty((len(ids), 0)))
            for watched, matches in zip(versions, found, strict=True):
                without |= np.isnan(matches.ts) & watched.window.are_past(rows)
        return Joined(lags, [labels[place] for place in np.flatnonzero(without).tolist()])

    def correct(self, labels: Sequence[Label]) -> None:
        """Give labelled rows the labels that the log has now.

        Args:
            labels: Each row's once.
        """
        ids = [label.row_id for label in labels]
        targets = np.array([label.value for label in labels])
        with self._lock:
            for watched in self._watched.values():
                watched.labelled.correct(ids, targets)

    def join_old(self, batch: RecordBatch, labels: Sequence[Label]) -> list[float]:
        """Join labels with rows that left the windows already; return the lags, seconds.

        Args:
            batch: Records of the rows.
            labels: Theirs, in the same order.
        """
        targets = np.array([label.value for label in labels])
        with self._lock:
            found = [watched.join(batch.ids, targets, batch) for watched in self._watched.values()]
            return self._lags(labels, found)[1]

    def _lags(
        self, labels: Sequence[Label], found: Sequence[Matches]
    ) -> tuple[Floats, list[float]]:
        """Return answer times of the rows at hand, shape (n,), and lags that are told now, seconds.

        A label is joined again with a row that was put right, and with a version watched since;
        its lag is told the first time.
        """
        answered, first = np.full((2, len(labels)), np.nan)
        for matches in found:
            answered = np.where(np.isnan(answered), matches.ts, answered)
            first = np.where(np.isnan(first) & matches.new, matches.ts, first)
        fresh = np.flatnonzero(~np.isnan(first)).tolist()
        ids = [labels[place].row_id for place in fresh]
        before = self._told.has(ids)
        told = [place for place, known in zip(fresh, before.tolist(), strict=True) if not known]
        self._told.update(ids, repeat(0, len(ids)))
        lags = [max(0.0, utc(labels[one].ts).timestamp() - float(first[one])) for one in told]
        return answered, lags

    def watch(self, role: str, watched: WatchedVersion) -> None:
        """Let a version take a role, which is an alias but for rows that nobody predicts."""
        with self._lock:
            self._watched[role] = watched
            watched.bins.begin()
            # Rows that came while its window was read from the log are not in it yet.
            self._recent.clear()

    def version_of(self, role: str) -> str | None:
        """Return the version that is watched for a role."""
        with self._lock:
            watched = self._watched.get(role)
        return watched.version if watched else None

    def schema_of(self, alias: Alias) -> Schema | None:
        """Return the schema of the version that is watched for an alias."""
        with self._lock:
            watched = self._watched.get(alias)
        return watched.schema if watched else None

    def evaluate(self, clock: Callable[[], float]) -> None:
        """Evaluate every version: copy under the lock, compute without it."""
        with self._lock:
            copies = [
                (watched, watched.window.snapshot(), watched.labelled.snapshot())
                for watched in self._watched.values()
            ]
        for watched, window, labelled in copies:
            evaluation = watched.evaluated(
                window, labelled, self._min_rows, self._window_rows, clock()
            )
            if evaluation.inputs is not None:
                named = named_scores(watched.reference, known(window.columns), self._scores)
                evaluation = replace(evaluation, named=named)
            with self._lock:
                watched.evaluation, watched.alarm = evaluation, evaluation.alarm

    def evaluations(self) -> list[tuple[WatchedVersion, Evaluation]]:
        """Return the last evaluation of every version that has one."""
        with self._lock:
            return [
                (watched, watched.evaluation)
                for watched in self._watched.values()
                if watched.evaluation is not None
            ]

    def bin_counts(self) -> list[BinCount]:
        """Return how many rows of each version there were in each bin since it is watched."""
        with self._lock:
            return [
                BinCount(watched.role, watched.version, feature, name, rows)
                for watched in self._watched.values()
                for feature, name, rows in watched.bins.counts()
            ]

    def watched(self) -> list[WatchedVersion]:
        """Return the versions that are watched."""
        with self._lock:
            return list(self._watched.values())


def _batch(records: Iterable[PredictionRecord] | RecordBatch) -> RecordBatch:
    return records if isinstance(records, RecordBatch) else batch_of(records)


def _push(watched: WatchedVersion, batch: RecordBatch) -> Mask:
    return watched.add(batch, PUSH)


def _milliseconds(ts: datetime) -> int:
    """Return a time as MongoDB has it: whole milliseconds since the epoch."""
    return (utc(ts) - _EPOCH) // _MILLISECOND
