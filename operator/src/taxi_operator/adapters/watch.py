"""A watch of one kind of objects: a list, then every change, for as long as the operator lives."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from taxi_domain.errors import NotAvailableError, TaxiError
from taxi_operator.adapters.api_server import ApiError
from taxi_operator.adapters.kinds import Document, Kind
from taxi_operator.adapters.store import MAX_OBJECTS, ExpiredError, Store

logger = logging.getLogger(__name__)

#: The first one after a failure is short.
_TRIAL_SECONDS: Final = 5
#: The server ends it, else we do, after so many seconds more.
_GRACE_SECONDS: Final = 8.0
#: Pauses after failures in a row, seconds.
_FIRST_PAUSE: Final = 0.5
_MAX_PAUSE: Final = 30.0
#: A watch that ends sooner is taken for a failure, seconds.
_SHORT: Final = 1.0
_JITTER: Final = 0.3
_GONE: Final = 410
#: After so many changes it lets others work.
_BREATHE: Final = 64
#: Parts of a list; each has many objects.
_MAX_PAGES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take, seconds.

    Attributes:
        shortest: A watch ends by itself: the next one shows that the server is there. At least.
        longest: At most.
        stale: What no sign of life was seen of for as long is not looked at.
        relist: All objects are listed anew as often, whatever a watch may have left out.
        clock: Seconds that only grow.
        jitter: What pauses differ by, so that not all operators come at once.
    """

    shortest: int = 20
    longest: int = 30
    stale: float = 45.0
    relist: float = 600.0
    clock: Callable[[], float] = time.monotonic
    jitter: random.Random = field(default_factory=random.Random)


PACE: Final = Pace()


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list.

    Attributes:
        objects: As the kind keeps them.
        version: Of the list.
        next: Token of the next part, empty for the last one.
    """

    objects: list[Document]
    version: int
    next: str


class Source(Protocol):
    """The calls of the API server that a watch needs."""

    async def page(self, kind: Kind, after: str) -> Page:
        """Return a part of the list of a kind, the first one after an empty token."""
        ...

    def changes(
        self, kind: Kind, version: int, seconds: int
    ) -> AsyncGenerator[tuple[str, Mapping[str, Any]], None]:
        """Yield the changes after a version; an empty word once the server has answered."""
        ...


class Watch:
    """Keeps a store as the API server has it.

    Args:
        source: The API server.
        kind: What is watched.
        failed: Called with every failure.
        pace: How long things take.
    """

    def __init__(
        self,
        source: Source,
        kind: Kind,
        failed: Callable[[TaxiError], None],
        pace: Pace = PACE,
    ) -> None:
        self._pace = pace
        self.store = Store(kind)
        self._source = source
        self._failed = failed
        self._is_listed = False
        self._list_at = 0.0
        self._alive = -pace.stale
        self._failures = 0

    @property
    def is_current(self) -> bool:
        """Whether the store may be looked at: somebody told of it a moment ago."""
        return self._is_listed and self._pace.clock() - self._alive < self._pace.stale

    async def run(self) -> None:
        """Watch for ever; what fails is tried again, at growing pauses."""
        while True:
            begin = self._pace.clock()
            try:
                if not self._is_listed or begin >= self._list_at:
                    await self._list()
                await self._follow()
            except ExpiredError:
                # What was missed is not known.
                self._is_listed = False
                self._failures += 1
            except TaxiError as error:
                self._fail(error)
            except Exception:
                logger.exception("watch failed", extra={"of": self.store.kind.name})
                self._failures += 1
            else:
                self._failures = self._failures + 1 if self._pace.clock() - begin < _SHORT else 0
            await asyncio.sleep(self._next_pause())

    def _fail(self, error: TaxiError) -> None:
        if isinstance(error, ApiError) and error.status == _GONE:
            self._is_listed = False
        self._failures += 1
        self._failed(error)
        logger.warning(
            "watch failed", extra={"of": self.store.kind.name, "problem": str(error)}
        )  # fmt: skip

    def _next_pause(self) -> float:
        if not self._failures:
            return 0.0
        pause = min(_FIRST_PAUSE * 2.0 ** min(self._failures - 1, 10), _MAX_PAUSE)
        return pause * self._pace.jitter.uniform(1 - _JITTER, 1)

    async def _list(self) -> None:
        """Read all objects; the store has the old ones until the last part was read."""
        self.store.begin_list()
        objects: list[Document] = []
        token, version = "", 0
        for _ in range(_MAX_PAGES):
            page = await self._source.page(self.store.kind, token)
            objects += page.objects
            token, version = page.next, page.version
            if not token or len(objects) > MAX_OBJECTS:
                break
        if token or len(objects) > MAX_OBJECTS:
            self.store.clear()
            self._is_listed = False
            raise NotAvailableError(
                f"API server: more than {MAX_OBJECTS} {self.store.kind.name} are not watched"
            )
        self.store.replace(objects, version)
        self._is_listed, self._alive = True, self._pace.clock()
        self._list_at = self._pace.clock() + self._pace.relist * self._pace.jitter.uniform(
            1 - _JITTER, 1
        )

    async def _follow(self) -> None:
        """Follow the changes until the watch ends."""
        seconds = self._pace.jitter.randint(self._pace.shortest, self._pace.longest)
        if self._failures:
            seconds = _TRIAL_SECONDS  # its end is the sign that all is well again
        changes = self._source.changes(self.store.kind, self.store.version, seconds)
        count = 0
        try:
            async with asyncio.timeout(seconds + _GRACE_SECONDS), aclosing(changes):
                async for event, document in changes:
                    # That it took the watch is no sign: it may never tell anything.
                    if event:
                        self._take(event, document)
                    count += 1
                    if count % _BREATHE == 0:
                        await asyncio.sleep(0)
            self._alive = self._pace.clock()
        except TimeoutError:
            name = self.store.kind.name
            raise NotAvailableError(f"API server: the watch of {name} does not end") from None

    def _take(self, event: str, document: Mapping[str, Any]) -> None:
        if event == "ERROR":
            raise self._problem_of(document)
        self.store.follow(event, document)
        self._alive = self._pace.clock()
        if len(self.store) > MAX_OBJECTS:
            raise ExpiredError  # the list tells what is wrong

    def _problem_of(self, document: Mapping[str, Any]) -> Exception:
        if document.get("code") == _GONE:
            return ExpiredError()
        return NotAvailableError(f"API server: the watch of {self.store.kind.name} was ended")
