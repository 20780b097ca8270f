"""What can go wrong with a call, and the process that calls."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from taxi_domain.errors import NotAvailableError
from taxi_operator.adapters.cluster import ApiError
from taxi_store.connection import StoreUnavailableError

Answer = TypeVar("Answer")


class Killed(BaseException):
    """The operator's process ended in the middle of a call."""


class Server(StrEnum):
    """The systems outside."""

    CLUSTER = "cluster"
    REGISTRY = "registry"
    PROMETHEUS = "prometheus"
    WEBHOOK = "webhook"


class Fault(StrEnum):
    """What happens to one call."""

    KILL_BEFORE = "kill before"
    KILL_AFTER = "kill after"
    #: It takes effect, and the caller never hears of it.
    LOST = "lost answer"
    TIMEOUT = "timeout"
    FORBIDDEN = "403"
    CONFLICT = "409"
    BROKEN = "500"


class Outage(StrEnum):
    """How a server does not answer."""

    DOWN = "down"
    HUNG = "hung"


_STATUSES: Final = {
    Fault.FORBIDDEN: (403, "Forbidden"), Fault.CONFLICT: (409, "Conflict"),
    Fault.BROKEN: (500, "InternalError"),
}  # fmt: skip
#: How long the operator's clients wait for an answer, seconds.
_PATIENCE: Final = {
    Server.CLUSTER: 15.0,
    Server.REGISTRY: 5.0,
    Server.PROMETHEUS: 5.0,
    Server.WEBHOOK: 5.0,
}
_LATENCY: Final = 0.02


@dataclass(slots=True)
class Armed:
    """A fault that waits for its call.

    Attributes:
        calls: Changing calls that pass before.
        fault: What happens then.
    """

    calls: int
    fault: Fault


class Network:
    """What lies between the processes of the operator and the servers."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.outages: dict[Server, Outage] = {}
        self.armed: list[Armed] = []
        self.hits = 0

    def heal(self) -> None:
        """Let every call come through from now on."""
        self.outages.clear()
        self.armed.clear()

    def next_fault(self) -> Fault | None:
        """Return the fault of the next changing call."""
        for one in self.armed:
            one.calls -= 1
        due = next((one for one in self.armed if one.calls < 0), None)
        if due is None:
            return None
        self.armed.remove(due)
        self.hits += 1
        return due.fault


class Caller:
    """A process of the operator as the servers see it."""

    def __init__(self, name: str, network: Network, die: Callable[[], None]) -> None:
        self.name = name
        self.dead = False
        self._network = network
        self._die = die

    async def call(
        self, server: Server, act: Callable[[], Answer], *, changes: bool = False
    ) -> Answer:
        """Carry out a call at one moment of its latency; the others go on meanwhile.

        Raises:
            Killed: the process ended.
        """
        if self.dead:
            raise Killed
        await asyncio.sleep(self._network.chance.uniform(0.001, _LATENCY))
        outage = self._network.outages.get(server)
        if outage is not None:
            if outage is Outage.HUNG:
                await asyncio.sleep(_PATIENCE[server])
            raise _unavailable(server)
        fault = self._network.next_fault() if changes else None
        if fault is Fault.KILL_BEFORE:
            self.kill()
        if fault in {Fault.TIMEOUT, *_STATUSES}:
            raise _refusal(server, fault)
        answer = act()
        if fault is Fault.KILL_AFTER:
            self.kill()
        if fault is Fault.LOST:
            raise _unavailable(server)
        return answer

    def outage(self, server: Server) -> Outage | None:
        """Return how a server does not answer now, None when it does."""
        return self._network.outages.get(server)

    def kill(self) -> None:
        """End the process.

        Raises:
            Killed: always.
        """
        self._die()
        raise Killed


def _unavailable(server: Server) -> NotAvailableError:
    if server is Server.REGISTRY:
        return StoreUnavailableError("MongoDB: no answer in time")
    name = "API server" if server is Server.CLUSTER else str(server)
    return NotAvailableError(f"{name}: no answer in time")


def _refusal(server: Server, fault: Fault | None) -> Exception:
    if server is not Server.CLUSTER or fault not in _STATUSES:
        return _unavailable(server)
    status, reason = _STATUSES[fault]
    return ApiError("PATCH", "/simulated", status, reason, "as the story has it")
