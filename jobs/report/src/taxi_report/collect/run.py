"""Reads partitions with workers: retries, survives lost workers and a database that is away."""

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, field
from typing import Final

from taxi_domain.errors import NotAvailableError
from taxi_report.collect.merge import MergeTree
from taxi_report.collect.partition import Part, Task
from taxi_report.collect.workers import Workers
from taxi_report.profile.layout import Layout

logger = logging.getLogger(__name__)

#: How often a partition is tried before the report is made without it.
MAX_ATTEMPTS: Final = 3
#: Tasks that a worker has in hand, so that it never waits.
_AHEAD: Final = 2
#: How often somebody looks whether there are workers while nothing ends.
_LOOK_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = (0.5, 2.0)
_MAX_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """All parts as one, and the partitions that are not in it with the reason."""

    part: Part
    failed: dict[int, str] = field(default_factory=dict)


def collect(
    tasks: Sequence[Task],
    workers: Workers,
    layout_of: Callable[[str], Layout | str],
    *,
    patience_seconds: float,
    advance: Callable[[], None] = lambda: None,
) -> Outcome:
    """Read all partitions and merge what they give.

    Args:
        tasks: One a partition.
        workers: Where they are read.
        layout_of: Returns the layout of a version, or why there is none any more.
        patience_seconds: How long MongoDB or all workers may be away.
        advance: Called once for each partition that is done.

    Raises:
        NotAvailableError: MongoDB, or all workers, were away for longer.
    """
    return _Collection(tasks, workers, layout_of, patience_seconds, advance).run()


class _Collection:
    def __init__(
        self,
        tasks: Sequence[Task],
        workers: Workers,
        layout_of: Callable[[str], Layout | str],
        patience_seconds: float,
        advance: Callable[[], None],
    ) -> None:
        self._tasks = tasks
        self._workers = workers
        self._patience = patience_seconds
        self._advance = advance
        self._tree = MergeTree(len(tasks), layout_of)
        self._waiting = deque(range(len(tasks)))
        self._running: dict[Future[Part], int] = {}
        self._attempts = [0] * len(tasks)
        #: Partitions that ran when a worker was lost: run one at a time, so that the one at fault
        #: does not spoil others.
        self._suspects: deque[int] = deque()
        self._failed: dict[int, str] = {}
        self._away_since: float | None = None

    def run(self) -> Outcome:
        while self._waiting or self._suspects or self._running:
            lost, alone = self._submit()
            if not lost:
                taken = [(self._running.pop(future), future) for future in self._ended()]
                ended = sorted(taken, key=_place)
                lost = [place for place, future in ended if self._take(place, future)]
            if lost:
                # What else ran ends with the pool, and is as much a suspect.
                lost += sorted(self._running.values())
                self._running.clear()
                self._workers.restart()
                away = self._await_workers()
                self._suspect(lost, alone=alone and not away)
        return Outcome(self._tree.result(), self._failed)

    def _ended(self) -> set["Future[Part]"]:
        """Wait for tasks to end, as long as there are workers that could do them."""
        while True:
            done, _ = wait(self._running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
            if done:
                return done
            self._await_workers(until=self._has_ended)

    def _has_ended(self) -> bool:
        return any(future.done() for future in self._running)

    def _await_workers(self, until: Callable[[], bool] = lambda: False) -> bool:
        """Wait for workers if there are none; tell whether that was so.

        Raises:
            NotAvailableError: there were none for too long.
        """
        began = time.monotonic()
        away = False
        while not until() and (absence := self._workers.absence()):
            if time.monotonic() - began > self._patience:
                raise NotAvailableError(absence)
            if not away:
                logger.warning("waiting for workers: %s", absence)
            away = True
            time.sleep(random.uniform(*_PAUSE_SECONDS))
        return away

    def _submit(self) -> tuple[list[int], bool]:
        """Begin what there is room for.

        Returns:
            What could not begin because a worker was lost meanwhile, and whether a suspect runs
            alone.
        """
        if self._suspects:
            if not self._running:
                place = self._suspects.popleft()
                return ([] if self._start(place) else [place]), True
            return [], False
        while self._waiting and len(self._running) < self._workers.size * _AHEAD:
            place = self._waiting.popleft()
            if not self._start(place):
                return [place], False
        return [], False

    def _start(self, place: int) -> bool:
        try:
            future = self._workers.submit(self._tasks[place])
        except Exception as error:
            if not self._workers.is_loss(error):
                raise
            return False
        self._running[future] = place
        return True

    def _take(self, place: int, future: "Future[Part]") -> bool:
        """Take what a task gave; tell whether its worker was lost."""
        try:
            part = future.result()
        except NotAvailableError as error:
            self._wait_for(error)
            self._waiting.appendleft(place)
        except (Exception, CancelledError) as error:
            if self._workers.is_loss(error):
                return True
            self._failed_once(place, error)
        else:
            self._away_since = None
            self._done(place, part)
        return False

    def _suspect(self, lost: Sequence[int], *, alone: bool) -> None:
        logger.warning("a worker was lost; what it read is read again")
        if alone:
            self._failed_once(lost[0], RuntimeError("the worker that read it died"), suspect=True)
        else:
            self._suspects.extend(lost)

    def _failed_once(self, place: int, error: BaseException, *, suspect: bool = False) -> None:
        self._attempts[place] += 1
        reason = f"{type(error).__name__}: {error}"[:_MAX_TEXT]
        if self._attempts[place] < MAX_ATTEMPTS:
            logger.warning("partition %d failed and is read again: %s", place, reason)
            time.sleep(random.uniform(*_PAUSE_SECONDS))
            (self._suspects if suspect else self._waiting).appendleft(place)
            return
        logger.error("partition %d failed for good: %s", place, reason)
        self._failed[place] = reason
        self._done(place, Part())

    def _done(self, place: int, part: Part) -> None:
        self._tree.add(place, part)
        self._advance()

    def _wait_for(self, error: NotAvailableError) -> None:
        now = time.monotonic()
        self._away_since = now if self._away_since is None else self._away_since
        if now - self._away_since > self._patience:
            raise error
        logger.warning("waiting: %s", str(error)[:_MAX_TEXT])
        time.sleep(random.uniform(*_PAUSE_SECONDS))


def _place(taken: "tuple[int, Future[Part]]") -> int:
    return taken[0]
