"""The monitor's state: the versions that are watched, behind one lock."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from taxi_domain.models import Alias
from taxi_domain.records import Label, PredictionRecord, utc
from taxi_monitor.windows.versions import Evaluation, Match, WatchedVersion

#: Rides that came lately; the log is read again over a few seconds.
_MAX_RECENT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a batch: rides new to a window, and all others (repeats, other versions)."""

    new: int
    other: int


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of labels: the lags of those joined now (seconds), and rides not at hand."""

    lags: list[float]
    without_ride: list[Label]


class State:
    """Shared by request threads and the log tailer."""

    def __init__(self, window_rows: int, min_rows: int) -> None:
        self._lock = threading.Lock()
        self._watched: dict[str, WatchedVersion] = {}
        #: Answer times of the rides that were taken, as the log would have them.
        self._recent: OrderedDict[str, datetime] = OrderedDict()
        self._logged: OrderedDict[str, None] = OrderedDict()
        self._window_rows = window_rows
        self._min_rows = min_rows
        self.problem = "the log was not read yet"

    def ingest(self, records: Iterable[PredictionRecord]) -> Ingested:
        """Put posted records into the windows of their versions; the first of a ride stays."""
        new = other = 0
        with self._lock:
            for record in records:
                if record.ride_id in self._recent:
                    other += 1
                elif self._take(record, WatchedVersion.add):
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
        self._recent[record.ride_id] = _stored(record.ts)
        _trim(self._recent)
        return sum(add(one, record) for one in self._watched.values()) > 0

    def holds(self, ride_id: str, ts: object) -> bool:
        """Tell whether the answer of this time to a ride was taken lately."""
        with self._lock:
            return isinstance(ts, datetime) and self._recent.get(ride_id) == _stored(ts)

    def saw_logged(self, ride_id: str) -> bool:
        """Tell whether a ride was seen in the log lately."""
        with self._lock:
            return ride_id in self._logged

    def mark_logged(self, ride_ids: Iterable[str]) -> None:
        """Remember that rides, and the labels they had, were read from the log."""
        with self._lock:
            for ride_id in ride_ids:
                self._logged[ride_id] = None
            _trim(self._logged)

    def join(self, labels: Iterable[Label]) -> Joined:
        """Join labels, as the log has them, with the rides of the windows."""
        lags: list[float] = []
        without: list[Label] = []
        with self._lock:
            for label in labels:
                matches = [(one, one.join(label)) for one in self._watched.values()]
                found = [match for _, match in matches if match is not None]
                lags += _lags(label, found)
                # What is at hand for one version may have left the window of another one.
                if not found or any(
                    match is None and one.window.is_past(found[0].row) for one, match in matches
                ):
                    without.append(label)
        return Joined(lags, without)

    def join_old(self, pairs: Iterable[tuple[PredictionRecord, Label]]) -> list[float]:
        """Join labels with rides that left the windows already; return the lags, seconds."""
        lags: list[float] = []
        with self._lock:
            for record, label in pairs:
                matches = [one.join(label, record) for one in self._watched.values()]
                lags += _lags(label, [one for one in matches if one is not None])
        return lags

    def watch(self, alias: Alias, watched: WatchedVersion) -> None:
        """Let a version take an alias' place."""
        with self._lock:
            self._watched[alias] = watched
            # Rides that came while its window was read from the log are not in it yet.
            self._recent.clear()
            self._logged.clear()

    def version_of(self, alias: Alias) -> str | None:
        """Return the version that is watched for an alias."""
        with self._lock:
            watched = self._watched.get(alias)
        return watched.version if watched else None

    def evaluate(self, clock: Callable[[], float]) -> None:
        """Evaluate every version: copy under the lock, compute without it."""
        with self._lock:
            copies = [
                (one, one.window.snapshot(), one.labelled.snapshot())
                for one in self._watched.values()
            ]
        for watched, window, labelled in copies:
            found = watched.evaluated(window, labelled, self._min_rows, self._window_rows, clock())
            with self._lock:
                watched.evaluation, watched.alarm = found, found.alarm

    def evaluations(self) -> list[tuple[WatchedVersion, Evaluation]]:
        """Return the last evaluation of every version that has one."""
        with self._lock:
            return [
                (one, one.evaluation)
                for one in self._watched.values()
                if one.evaluation is not None
            ]

    def watched(self) -> list[WatchedVersion]:
        """Return the versions that are watched."""
        with self._lock:
            return list(self._watched.values())


def _stored(ts: datetime) -> datetime:
    """Return a time as MongoDB has it: whole milliseconds."""
    moment = utc(ts)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _trim(recent: OrderedDict[str, Any]) -> None:
    while len(recent) > _MAX_RECENT:
        recent.popitem(last=False)


def _lags(label: Label, found: Sequence[Match]) -> list[float]:
    """Return the label's lag, seconds, where it was joined now."""
    answered = next((one.row.ts for one in found if one.new), None)
    return [] if answered is None else [max(0.0, utc(label.ts).timestamp() - answered)]
