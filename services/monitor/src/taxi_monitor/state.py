"""The monitor's state: the versions that are watched, behind one lock."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from taxi_domain.models import Alias
from taxi_domain.records import Label, PredictionRecord
from taxi_monitor.versions import Evaluation, WatchedVersion

#: Labels that came before their rides are kept, the oldest given up first.
_MOST_EARLY_LABELS: Final = 100_000
#: Rides that came lately; the log is read again over a few seconds.
_MOST_RECENT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a batch: rides new to a window, and all others (repeats, other versions)."""

    new: int
    other: int


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of labels: the lags of those joined (seconds), and rides not at hand."""

    lags: list[float]
    without_ride: list[Label]


class State:
    """Shared by request threads and the follower."""

    def __init__(self, window_rows: int, min_rows: int) -> None:
        self._lock = threading.Lock()
        self._watched: dict[str, WatchedVersion] = {}
        self._early: OrderedDict[str, Label] = OrderedDict()
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._window_rows = window_rows
        self._min_rows = min_rows
        self.problem = "the log was not read yet"

    def ingest(self, records: Iterable[PredictionRecord]) -> Ingested:
        """Put records into the windows of their versions."""
        new = other = 0
        with self._lock:
            for record in records:
                self._recent[record.ride_id] = None
                taken = [one.add(record) for one in self._watched.values()]
                if any(taken):
                    new += 1
                    if (label := self._early.pop(record.ride_id, None)) is not None:
                        for one in self._watched.values():
                            one.join(label)
                else:
                    other += 1
            while len(self._recent) > _MOST_RECENT:
                self._recent.popitem(last=False)
        return Ingested(new, other)

    def unknown(self, ride_ids: Iterable[str]) -> list[str]:
        """Return the rides of these that did not come lately."""
        with self._lock:
            return [one for one in ride_ids if one not in self._recent]

    def join(self, labels: Sequence[Label]) -> Joined:
        """Join labels with the rides of the windows; early ones wait for theirs."""
        lags: list[float] = []
        without: list[Label] = []
        with self._lock:
            for label in labels:
                found = [one.join(label) for one in self._watched.values()]
                lag = next((one for one in found if one is not None), None)
                if lag is None:
                    without.append(label)
                    self._early[label.ride_id] = label
                    while len(self._early) > _MOST_EARLY_LABELS:
                        self._early.popitem(last=False)
                else:
                    lags.append(lag)
        return Joined(lags, without)

    def join_old(self, pairs: Iterable[tuple[PredictionRecord, Label]]) -> None:
        """Join labels with rides that left the windows already."""
        with self._lock:
            for record, label in pairs:
                self._early.pop(label.ride_id, None)
                for one in self._watched.values():
                    one.join(label, record)

    def watch(self, alias: Alias, watched: WatchedVersion) -> None:
        """Let a version take an alias' place."""
        with self._lock:
            self._watched[alias] = watched
            # Rides that came while its window was read from the log are not in it yet.
            self._recent.clear()

    def version_of(self, alias: Alias) -> str | None:
        """Return the version that is watched for an alias."""
        with self._lock:
            watched = self._watched.get(alias)
        return watched.version if watched else None

    def evaluate(self, clock: Callable[[], float]) -> None:
        """Judge every version: copy under the lock, compute without it."""
        with self._lock:
            copies = [
                (one, one.window.snapshot(), one.labelled.snapshot())
                for one in self._watched.values()
            ]
        for watched, window, labelled in copies:
            found = watched.judged(window, labelled, self._min_rows, self._window_rows, clock())
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
