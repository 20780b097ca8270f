"""The monitor's state: the versions that are watched, behind one lock."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from taxi_domain.models import Alias
from taxi_domain.records import Label, PredictionRecord, utc
from taxi_monitor.windows.misfits import PUSH
from taxi_monitor.windows.versions import Evaluation, Match, WatchedVersion
from taxi_schema.schema import Schema

#: Rows that came lately; the log is read again over some seconds.
_MAX_RECENT: Final = 100_000


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


class State:
    """Shared by request threads and the log tailer."""

    def __init__(self, window_rows: int, min_rows: int) -> None:
        self._lock = threading.Lock()
        self._watched: dict[str, WatchedVersion] = {}
        #: Answer times of the rows that were taken, as the log would have them.
        self._recent: OrderedDict[str, datetime] = OrderedDict()
        #: Rows whose label's lag was told.
        self._told: OrderedDict[str, None] = OrderedDict()
        self._window_rows = window_rows
        self._min_rows = min_rows
        self.problem = "the log was not read yet"

    def ingest(self, records: Iterable[PredictionRecord]) -> Ingested:
        """Put posted records into the windows of their versions; the first of a row stays."""
        new = other = 0
        with self._lock:
            for record in records:
                if record.row_id in self._recent:
                    other += 1
                elif self._take(record, _push):
                    new += 1
                else:
                    other += 1
        return Ingested(new, other)

    def put_right(self, records: Iterable[PredictionRecord]) -> Ingested:
        """Put records of the log into the windows, in place of other answers that were posted."""
        with self._lock:
            taken = [self._take(record, WatchedVersion.put_right) for record in records]
        return Ingested(sum(taken), len(taken) - sum(taken))

    def _take(
        self, record: PredictionRecord, add: Callable[[WatchedVersion, PredictionRecord], bool]
    ) -> bool:
        self._recent[record.row_id] = _stored(record.ts)
        _trim(self._recent)
        return sum(add(watched, record) for watched in self._watched.values()) > 0

    def holds(self, row_id: str, ts: object) -> bool:
        """Tell whether the answer of this time to a row was taken lately."""
        with self._lock:
            return isinstance(ts, datetime) and self._recent.get(row_id) == _stored(ts)

    def join(self, labels: Iterable[Label]) -> Joined:
        """Join labels, as the log has them, with the rows of the windows."""
        lags: list[float] = []
        without: list[Label] = []
        with self._lock:
            for label in labels:
                joined = [(watched, watched.join(label)) for watched in self._watched.values()]
                matches = [match for _, match in joined if match is not None]
                lags += self._lags(label, matches)
                # What is at hand for one version may have left the window of another one.
                if not matches or any(
                    match is None and watched.window.is_past(matches[0].row)
                    for watched, match in joined
                ):
                    without.append(label)
        return Joined(lags, without)

    def join_old(self, pairs: Iterable[tuple[PredictionRecord, Label]]) -> list[float]:
        """Join labels with rows that left the windows already; return the lags, seconds."""
        lags: list[float] = []
        with self._lock:
            for record, label in pairs:
                matches = [watched.join(label, record) for watched in self._watched.values()]
                lags += self._lags(label, [match for match in matches if match is not None])
        return lags

    def _lags(self, label: Label, matches: Sequence[Match]) -> list[float]:
        """Return the label's lag, seconds, the first time that it is joined.

        It is joined again with a row that was put right, and with a version watched since.
        """
        answered = next((match.row.ts for match in matches if match.new), None)
        if answered is None or label.row_id in self._told:
            return []
        self._told[label.row_id] = None
        _trim(self._told)
        return [max(0.0, utc(label.ts).timestamp() - answered)]

    def watch(self, alias: Alias, watched: WatchedVersion) -> None:
        """Let a version take an alias' place."""
        with self._lock:
            self._watched[alias] = watched
            # Rows that came while its window was read from the log are not in it yet.
            self._recent.clear()

    def version_of(self, alias: Alias) -> str | None:
        """Return the version that is watched for an alias."""
        with self._lock:
            watched = self._watched.get(alias)
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

    def watched(self) -> list[WatchedVersion]:
        """Return the versions that are watched."""
        with self._lock:
            return list(self._watched.values())


def _push(watched: WatchedVersion, record: PredictionRecord) -> bool:
    return watched.add(record, PUSH)


def _stored(ts: datetime) -> datetime:
    """Return a time as MongoDB has it: whole milliseconds."""
    moment = utc(ts)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _trim(recent: OrderedDict[str, Any]) -> None:
    while len(recent) > _MAX_RECENT:
        recent.popitem(last=False)
