"""Watches of an API server: changes in their order, and what befalls who follows them."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from support.simulator.clock import Clock
from support.simulator.faults import Caller, Outage, Server
from support.simulator.objects import Document, copied
from taxi_domain.errors import NotAvailableError
from taxi_operator.adapters.cluster import ApiError

#: Changes that are remembered; a watch cannot begin before them.
_REMEMBERED: Final = 200
#: How often a watch looks whether it was cut, seconds.
_LOOK: Final = 20.0


@dataclass(frozen=True, slots=True)
class Change:
    """One change, and when it was (true seconds)."""

    event: str
    version: int
    at: float
    document: Document


class Changes:
    """What is remembered of the changes, and how watches are told of them.

    Attributes:
        lag: Seconds until a watch tells of a change.
        silent_until: Until then watches tell nothing, and do not end (true seconds).
        cuts: How often all watches were cut.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changes: dict[str, deque[Change]] = {}
        self._forgotten: dict[str, int] = {}
        self._news: dict[str, asyncio.Event] = {}
        self.lag = 0.0
        self.silent_until = 0.0
        self.cuts = 0
        #: What is shown of an object: a Deployment's status is made when it is looked at.
        self.shown: Callable[[str, Document], Document] = lambda _kind, document: document

    def note(self, kind: str, event: str, document: Document) -> None:
        """Remember a change."""
        version = int(document["metadata"]["resourceVersion"])
        shown = copied(self.shown(kind, document))
        changes = self._changes.setdefault(kind, deque())
        changes.append(Change(event, version, self._clock.seconds, shown))
        if len(changes) > _REMEMBERED:
            self._forgotten[kind] = changes.popleft().version
        if kind in self._news:
            self._news.pop(kind).set()

    def forget(self) -> None:
        """Forget all changes, as a compaction does: watches are told that theirs are gone."""
        for kind, changes in self._changes.items():
            if changes:
                self._forgotten[kind] = changes[-1].version
                changes.clear()

    def heal(self) -> None:
        """Let watches tell everything at once from now on."""
        self.lag = self.silent_until = 0.0

    async def follow(
        self, caller: Caller, kind: str, version: int, seconds: float
    ) -> AsyncGenerator[tuple[str, Mapping[str, Any]], None]:
        """Yield the changes of a kind after a version."""
        await caller.call(Server.CLUSTER, lambda: None)
        if version < self._forgotten.get(kind, 0):
            raise ApiError("GET", f"/{kind}", 410, "Expired", "too old resource version")
        yield "", {}
        end, cuts = self._clock.seconds + seconds, self.cuts
        while True:
            now, outage = self._clock.seconds, caller.outage(Server.CLUSTER)
            if cuts != self.cuts or outage is Outage.DOWN:
                raise NotAvailableError("API server: the watch was cut")
            if now < self.silent_until or outage is Outage.HUNG:
                await asyncio.sleep(_LOOK)
                continue
            if version < self._forgotten.get(kind, 0):
                yield "ERROR", {"code": 410}
                return
            found = self._next(kind, version)
            if found is not None and found.at + self.lag <= now:
                version = found.version
                yield found.event, copied(found.document)
            elif now >= end:
                return
            else:
                due = end if found is None else min(found.at + self.lag, end)
                await self._wait(kind, min(due - now, _LOOK))

    def _next(self, kind: str, version: int) -> Change | None:
        changes = self._changes.get(kind, ())
        return next((one for one in changes if one.version > version), None)

    async def _wait(self, kind: str, seconds: float) -> None:
        """Wait for news, or for some time."""
        news = self._news.setdefault(kind, asyncio.Event())
        try:
            async with asyncio.timeout(max(seconds, 0.01)):
                await news.wait()
        except TimeoutError:
            return
