"""Follows aliases and log in the background, and evaluates; a watched thread."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import takewhile

from pymongo.database import Database

from taxi_domain.errors import TaxiError
from taxi_domain.metrics import (
    MONITOR_EVALUATION_DURATION,
    MONITOR_EVALUATIONS,
    MONITOR_LABEL_LAG,
    MONITOR_LABELS,
    MONITOR_RECORDS,
    MONITOR_UNREADABLE,
)
from taxi_domain.models import Alias
from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_domain.records import Label
from taxi_monitor.metrics.counters import Counters
from taxi_monitor.records.batch import RecordBatch
from taxi_monitor.settings import Settings
from taxi_monitor.tailer import intake
from taxi_monitor.tailer.cycle_thread import CycleThread
from taxi_monitor.tailer.follower import Follower
from taxi_monitor.tailer.log_reader import LogReader
from taxi_monitor.tailer.readers import reader_of
from taxi_monitor.windows.misfits import LOG, Misfits
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import Evaluation, WatchedVersion, watched_version
from taxi_store.connection import Document
from taxi_store.log import prediction_log as log
from taxi_store.log.malformed import Unreadable
from taxi_store.log.prediction_log import Stored
from taxi_store.registry.entries import AliasEntry
from taxi_store.registry.registry import Registry

logger = logging.getLogger(__name__)


class LogTailer(CycleThread):
    """Keeps the state up to date with MongoDB."""

    def __init__(
        self,
        database: Database[Document],
        settings: Settings,
        state: State,
        counters: Counters,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__("log-tailer", settings.evaluation_seconds)
        self._database = database
        self._registry = Registry(database)
        self._settings = settings
        self._state = state
        self._counters = counters
        self._clock = clock
        self._rows, self._labels = Follower(self._now), Follower(self._now)
        #: Counts what of the log cannot be read.
        self.unreadable = Unreadable(
            lambda collection, field: (
                counters[MONITOR_UNREADABLE].labels(LOG, collection, field).inc()
            )
        )
        self._reader = LogReader(database, self.unreadable)
        self._misfits = Misfits(
            lambda source, field: (
                counters[MONITOR_UNREADABLE].labels(source, PREDICTIONS, field).inc()
            )
        )
        self._unscored: dict[str, Mapping[str, str]] = {}
        #: Called after each evaluation, for what else is read from MongoDB now and then.
        self.each_cycle: Sequence[Callable[[], None]] = ()
        #: The last problem with each part of a cycle, empty without one.
        self._problems: dict[Callable[[], None], str] = {}
        self.finished_at = clock()

    def follow_aliases(self) -> None:
        """Watch the versions that the aliases point at; one that fails does not hold up the other.

        Raises:
            TaxiError: MongoDB does not answer, or an artifact cannot be used.
        """
        problems = [problem for alias in Alias if (problem := self._follow(alias))]
        if problems:
            raise TaxiError("; ".join(dict.fromkeys(problems)))

    def catch_up(self) -> None:
        """Take what was stored since the last time.

        Raises:
            TaxiError: MongoDB does not answer.
        """
        self._tail(self._rows, PREDICTIONS, self._take_rows)
        self._tail(self._labels, LABELS, self._take_stored_labels)

    def batches_of(self, row_ids: Sequence[str]) -> Iterator[RecordBatch]:
        """Return the records of rows that are in the log, each row once."""
        return self._reader.batches_of(row_ids)

    def labels_of(self, row_ids: Sequence[str]) -> list[Label]:
        """Return the labels of rows that have one."""
        return list(log.labels_of(self._database, row_ids, self.unreadable).values())

    def take_labels(self, labels: Sequence[Label]) -> None:
        """Join posted labels as the log has them.

        Those whose rows are not in the log yet wait there.
        """
        self._tell(intake.take_labels(self._state, self, labels))
        self._labels.mark(label.row_id for label in labels)

    def correct_labels(self, row_ids: Sequence[str]) -> None:
        """Give rows the labels that the log has of them now."""
        self._state.correct(self.labels_of(row_ids))

    def _follow(self, alias: Alias) -> str:
        """Watch the version that an alias points at; return the problem with it, or nothing."""
        try:
            entry = self._registry.alias(self._settings.model, alias)
            if entry is not None and entry.version != self._state.version_of(alias):
                self._watch(alias, entry)
        except TaxiError as error:
            return str(error)
        return ""

    def cycle(self) -> None:
        """Follow, evaluate and look at the rest; a part that fails holds up no other."""
        parts = (self.follow_aliases, self._evaluate_new, self.catch_up, self._evaluate)
        for part in (*parts, *self.each_cycle):
            self._do(part)
        self.finished_at = self._clock()

    def _do(self, part: Callable[[], None]) -> None:
        """Do a part of a cycle; the state has the problem with it until it is done again."""
        known, problem = self._problems.get(part, ""), ""
        try:
            part()
        except TaxiError as error:
            problem = str(error)
            if problem != known:
                logger.warning("a part of a cycle failed", extra={"reason": problem})
        except Exception as error:
            # No row of the log, and no answer of a server, may end the thread.
            problem = f"a defect of the monitor ({error!r})"
            if problem != known:
                logger.exception("a part of a cycle failed", extra={"reason": problem})
        self._problems[part] = problem
        self._state.problem = "; ".join(dict.fromkeys(filter(None, self._problems.values())))

    def _evaluate_new(self) -> None:
        """Evaluate windows that were just filled: the last seconds of a busy log take some."""
        if any(one.evaluation is None for one in self._state.watched()):
            self._evaluate()

    def _evaluate(self) -> None:
        begin = time.perf_counter()
        self._state.evaluate(self._clock)
        self._counters[MONITOR_EVALUATION_DURATION].observe(time.perf_counter() - begin)
        for watched, evaluation in self._state.evaluations():
            result = "too_few_rows" if evaluation.inputs is None else "ok"
            if self._tell_unscored(watched, evaluation):
                result = "error"
            self._counters[MONITOR_EVALUATIONS].labels(result).inc()

    def _tell_unscored(self, watched: WatchedVersion, evaluation: Evaluation) -> bool:
        """Log columns without a score, once; tell whether any has values on both sides."""
        problems = evaluation.inputs.problems if evaluation.inputs else {}
        if problems and problems != self._unscored.get(watched.version):
            logger.warning(
                "columns cannot be scored",
                extra={"version": watched.version, "problems": dict(problems)},
            )
        self._unscored[watched.version] = problems
        return any(
            share < 1 and name in watched.reference.stratified
            for name, share in evaluation.unscored.items()
        )

    def _watch(self, alias: Alias, entry: AliasEntry) -> None:
        rows, error_rows = self._settings.window_rows, self._settings.error_window_rows
        reader = reader_of(self._registry, entry.version, self._misfits)
        watched = watched_version(alias, reader, window_rows=rows, error_window_rows=error_rows)
        begin = self._now()
        self._reader.fill(watched, rows, error_rows)
        self._state.watch(alias, watched)
        # What came meanwhile was put into the windows of the versions before.
        self._rows.rewind(begin)
        self._labels.rewind(begin)
        logger.info("watching", extra={"role": str(alias), "version": entry.version})

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _tail(
        self, follower: Follower, collection: str, take: Callable[[list[Stored]], None]
    ) -> None:
        def read(since: datetime) -> Iterator[list[Stored]]:
            pages = log.tail(self._database, collection, since, self.unreadable)
            return takewhile(lambda _: not self._stop.is_set(), pages)

        follower.follow(read, partial(log.count_stored, self._database, collection), take)

    def _take_rows(self, stored: Sequence[Stored]) -> None:
        """Take rows of the log that were never posted, or posted with another answer."""
        done = intake.take_logged(self._state, self, stored)
        self._counters[MONITOR_RECORDS].labels("log", "new").inc(done.new)
        self._tell(done.lags)
        self._labels.mark(done.labelled)

    def _take_stored_labels(self, stored: Sequence[Stored]) -> None:
        """Join labels of the log that were never posted, or while windows were read."""
        self._tell(
            intake.take_labels(self._state, self, self.labels_of([one.row_id for one in stored]))
        )

    def _tell(self, lags: Sequence[float]) -> None:
        """Count labels that were joined, whichever way they came."""
        self._counters[MONITOR_LABELS].labels("joined").inc(len(lags))
        for lag in lags:
            self._counters[MONITOR_LABEL_LAG].observe(lag)
