"""The outbox: what is due, the tries, and what became of them; each notice at least once.

What is due stands in the histories of the policies, in the write of the decision itself. A
reconcile offers it, and notes down what was delivered meanwhile; it waits for nothing. A process
that ends between the two sends the same notice again when it is back, by the same id.
"""

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from taxi_domain.errors import NotAvailableError
from taxi_domain.metrics import OPERATOR_WEBHOOK_DELIVERIES, OPERATOR_WEBHOOK_PENDING
from taxi_operator.memory.notices import Told, due_of, waits_for_its_end, word_after
from taxi_operator.memory.status import Status
from taxi_operator.metrics import Metrics
from taxi_operator.notify.notice import Notice, identity_of, notice_of
from taxi_operator.plan.plan import Note

logger = logging.getLogger(__name__)

#: Notices that wait at the same time; what has no room is offered again by later reconciles.
MAX_WAITING: Final = 1000
#: Pauses between the tries of a notice: the first, each twice as long, the longest, seconds.
FIRST_PAUSE: Final = 2.0
MAX_PAUSE: Final = 300.0
_MAX_DOUBLINGS: Final = 16
_JITTER: Final = 0.2
#: How long after what it tells a notice is tried, seconds.
PATIENCE_SECONDS: Final = 86_400.0
#: Ends that are remembered; they are noted down by the next reconciles.
_MAX_ENDS: Final = 10 * MAX_WAITING
_IDLE: Final = 3600.0


class Sender(Protocol):
    """What sends a notice."""

    async def send(self, notice: Notice) -> None:
        """Try once; NotAvailableError: it was not taken, or nobody knows whether it was."""


@dataclass(slots=True)
class _Waiting:
    """A notice that is tried: when again, in seconds of the loop, and how often it was."""

    notice: Notice
    due: float
    tries: int = 0


class Outbox:
    """Delivers what is due in the background, each notice for a day.

    Args:
        sender: Sends a notice; None: the platform has no webhook, and nothing is due.
        metrics: Deliveries, and what waits.
        clock: Present time of the API server, seconds since the epoch.
        jitter: What pauses differ by.
    """

    def __init__(
        self,
        sender: Sender | None,
        metrics: Metrics,
        clock: Callable[[], float],
        jitter: random.Random | None = None,
    ) -> None:
        self._sender = sender
        self._metrics = metrics
        self._clock = clock
        self._random = jitter or random.Random()
        self._waiting: dict[str, _Waiting] = {}
        #: By the id of a notice whether it was delivered, or is lost.
        self._ends: OrderedDict[str, bool] = OrderedDict()
        self._changed = asyncio.Event()

    def planned(self, status: Status) -> Status:
        """Return a status whose newest decision, which was just made, is to be told."""
        if self._sender is None or status.decision is None:
            return status
        return status.with_notice(status.decision, Told.DUE)

    def noted(self, status: Status, uid: str) -> tuple[Status, tuple[Note, ...]]:
        """Return a status that remembers what was delivered and lost, and what people are told."""
        notes = []
        for entry in status.history:
            occasion = due_of(entry)
            if occasion is None:
                continue
            delivered = self._ends.get(identity_of(uid, entry, occasion))
            if delivered is None:
                continue
            status = status.with_notice(entry, word_after(entry, occasion, delivered=delivered))
            if not delivered:
                text = f"decision {entry['number']}: nobody took the notice ({occasion}) in a day"
                notes.append(Note("NoticeLost", text, warning=True))
        return status, tuple(notes)

    def offer(self, found: Mapping[str, Any]) -> None:
        """Take what is due of a policy, as its status was written; oldest first."""
        if self._sender is None:
            return
        for entry in reversed((found.get("status") or {}).get("history") or []):
            notice = notice_of(found, entry)
            if notice is None or notice.identity in self._ends:
                continue
            if len(self._waiting) >= MAX_WAITING:
                break
            if notice.identity not in self._waiting:
                self._waiting[notice.identity] = _Waiting(notice, _now())
                self._changed.set()
        self._measure()

    def fell_out(self, uid: str, before: Status, after: Status) -> None:
        """Count what a history does not remember any more, and nobody was told."""
        kept: set[object] = {one["number"] for one in after.history}
        for entry in before.history:
            if entry["number"] not in kept and self._is_untold(uid, before, entry):
                self._count("dropped")
                logger.warning(
                    "a notice fell out of its history",
                    extra={"of": uid, "decision": entry["number"]},
                )
        self._measure()

    def _is_untold(self, uid: str, status: Status, entry: Mapping[str, Any]) -> bool:
        """Tell whether something of a decision will not be told any more; forget what waits."""
        occasion, run = due_of(entry), status.run
        if occasion is not None:
            identity = identity_of(uid, entry, occasion)
            self._waiting.pop(identity, None)
            if identity not in self._ends:
                return True
        is_open = run is not None and run.is_open and run.number == entry["number"]
        return is_open and waits_for_its_end(entry)

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            self._changed.clear()
            one = min(self._waiting.values(), key=lambda each: each.due, default=None)
            pause = _IDLE if one is None else one.due - _now()
            if one is not None and pause <= 0:
                await self._try(one)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    async def _try(self, one: _Waiting) -> None:
        assert self._sender is not None
        try:
            await self._sender.send(one.notice)
        except NotAvailableError as error:
            self._failed(one, str(error))
        except Exception as error:
            # A broad net: a defect in one notice must not stop the others.
            logger.exception("a notice cannot be sent", extra={"id": one.notice.identity})
            self._failed(one, f"a defect of the operator ({type(error).__name__})")
        else:
            # What fell out of its history meanwhile is counted already.
            if one.notice.identity in self._waiting:
                self._count("delivered")
            self._end(one, delivered=True)
        self._measure()

    def _failed(self, one: _Waiting, problem: str) -> None:
        self._count("failed")
        one.tries += 1
        told = {"id": one.notice.identity, "problem": problem, "tries": one.tries}
        if self._clock() - one.notice.since > PATIENCE_SECONDS:
            logger.error("nobody took a notice in a day; it is lost", extra=told)
            self._count("lost")
            self._end(one, delivered=False)
            return
        if one.tries == 1:
            logger.warning("a notice is not delivered yet", extra=told)
        pause = min(FIRST_PAUSE * 2.0 ** min(one.tries - 1, _MAX_DOUBLINGS), MAX_PAUSE)
        one.due = _now() + pause * self._random.uniform(1 - _JITTER, 1 + _JITTER)

    def _end(self, one: _Waiting, *, delivered: bool) -> None:
        self._waiting.pop(one.notice.identity, None)
        self._ends[one.notice.identity] = delivered
        while len(self._ends) > _MAX_ENDS:
            self._ends.popitem(last=False)

    def _count(self, result: str) -> None:
        self._metrics[OPERATOR_WEBHOOK_DELIVERIES].labels(result).inc()

    def _measure(self) -> None:
        self._metrics[OPERATOR_WEBHOOK_PENDING].set(len(self._waiting))


def _now() -> float:
    """Return the time of the event loop, seconds that only grow."""
    return asyncio.get_running_loop().time()
