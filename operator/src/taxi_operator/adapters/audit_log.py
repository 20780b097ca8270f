"""What the operator did, in the audit: written beside the reconciles, which never wait for it."""

import asyncio
import collections
import logging
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from taxi_domain.errors import NotAvailableError
from taxi_store.admin.audit import Action, AuditEntry, Stage, tell

#: Entries that wait for MongoDB; beyond them the oldest are in the log of the process alone.
MAX_WAITING: Final = 1000
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_BY: Final = "taxi-operator"

logger = logging.getLogger(__name__)


class Recorder(Protocol):
    """Adds an entry to the audit."""

    async def record(self, entry: AuditEntry) -> None:
        """Add an entry.

        Raises:
            NotAvailableError: MongoDB does not answer, or refuses.
        """
        ...


class AuditLog:
    """Notes actions in the log of the process at once, and in MongoDB when it takes them.

    Args:
        audit: In MongoDB.
        clock: Seconds since the epoch.
        pause: Before the second try, seconds; it doubles.
    """

    def __init__(
        self, audit: Recorder, clock: Callable[[], float], pause: float = _FIRST_PAUSE
    ) -> None:
        self._audit = audit
        self._clock = clock
        self._pause = pause
        self._waiting: collections.deque[AuditEntry] = collections.deque()
        self._failed: dict[str, str] = {}
        self._more = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Return how many entries MongoDB does not have yet."""
        return len(self._waiting)

    def note(
        self,
        action: Action,
        what: Mapping[str, Any],
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        problem: str = "",
    ) -> None:
        """Note an action that was done, or failed; the same failure in a row is noted once.

        Args:
            action: That was done.
            what: It was done to.
            before: What was changed, as it was.
            after: As it is now.
            problem: Why it failed; empty when it did not.
        """
        key = f"{action} {sorted(what.items())}"
        if problem and self._failed.get(key) == problem:
            return
        self._failed.pop(key, None)
        if problem:
            if len(self._failed) >= MAX_WAITING:
                self._failed.clear()
            self._failed[key] = problem
        stage = Stage.FAILED if problem else Stage.DONE
        entry = AuditEntry(
            datetime.fromtimestamp(self._clock(), UTC), action, stage, _BY, _reason(), what,
            before=before or {}, after=after or {}, problem=problem,
        )  # fmt: skip
        tell(entry)
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            logger.warning("an entry of the audit is lost", extra={"waiting": MAX_WAITING})
        self._waiting.append(entry)
        self._more.set()

    async def run(self) -> None:
        """Write what waits, for ever; an entry that MongoDB does not take is tried again."""
        pause = self._pause
        while True:
            await self._more.wait()
            while self._waiting:
                entry = self._waiting[0]
                try:
                    await self._audit.record(entry)
                except NotAvailableError as error:
                    logger.warning("the audit cannot be written", extra={"problem": str(error)})
                    await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    continue
                pause = self._pause
                # It may have gone meanwhile, to make room.
                if self._waiting and self._waiting[0] is entry:
                    self._waiting.popleft()
            self._more.clear()


def _reason() -> str:
    """Return what is being done: tasks are named after their policies."""
    task = asyncio.current_task()
    return task.get_name() if task is not None else ""
