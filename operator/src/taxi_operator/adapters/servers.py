"""The Prometheus servers that policies ask: one session and one breaker each, kept by a pool."""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from taxi_operator.adapters.credentials import Credentials
from taxi_operator.adapters.prometheus import Prometheus
from taxi_operator.adapters.server import Server
from taxi_operator.core.breaker import Breaker
from taxi_operator.spec.addresses import AllowList

#: Servers that are kept; the one that was not asked for longest makes room.
MAX_SERVERS: Final = 128
#: Answers above a few kilobytes that are read at the same time: each may have 1 MiB.
_MAX_LARGE: Final = 16


class Servers:
    """Gives policies their Prometheus; to be closed when the operator stops.

    Args:
        allowed: The platform's server, and the others that policies may name.
        credentials: Of the platform's server; no other gets them.
        timeout_seconds: Longest time of a query, unless a policy says otherwise.
        clock: Seconds that only grow.
        jitter: What pauses of the breakers differ by.
    """

    def __init__(
        self,
        allowed: AllowList,
        credentials: Credentials | None = None,
        timeout_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        jitter: random.Random | None = None,
    ) -> None:
        self._allowed = allowed
        self._credentials = credentials
        self._timeout = timeout_seconds
        self._clock = clock
        self._jitter = jitter
        self._large = asyncio.Semaphore(_MAX_LARGE)
        self._kept: OrderedDict[str, Server] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def require(self, url: str) -> str:
        """Return the address that a policy's `prometheus.url` stands for.

        Raises:
            FieldError: it may not be asked.
        """
        return self._allowed.require(url)

    def of(self, url: str, timeout_seconds: float | None = None) -> Prometheus:
        """Return the Prometheus of a policy.

        Args:
            url: Its `prometheus.url`; empty: the platform's server.
            timeout_seconds: Longest time of a query; None: the platform's.

        Raises:
            FieldError: it may not be asked.
        """
        address = self.require(url)
        server = self._kept.get(address) or self._add(address)
        self._kept.move_to_end(address)
        return Prometheus(server, self._timeout if timeout_seconds is None else timeout_seconds)

    def _add(self, address: str) -> Server:
        if len(self._kept) >= MAX_SERVERS:
            self._make_room()
        breaker = Breaker(self._clock, jitter=self._jitter)
        credentials = self._credentials if address == self._allowed.platform else None
        server = self._kept[address] = Server(address, breaker, self._large, credentials)
        return server

    def _make_room(self) -> None:
        """Close the server that was not asked for longest, one without requests if there is one."""
        idle = (address for address, server in self._kept.items() if not server.asked)
        server = self._kept.pop(next(idle, next(iter(self._kept))))
        closing = asyncio.create_task(server.close(), name="close a server")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all connections."""
        servers = [one.close() for one in self._kept.values()]
        self._kept.clear()
        await asyncio.gather(*servers, *self._closing)
