"""One lock for each active Service: who changes it has seen what the one before made of it."""

import asyncio
from weakref import WeakValueDictionary


class Locks:
    """Locks by the name of a Service; one that nobody holds is forgotten."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, service: str) -> asyncio.Lock:
        """Return the lock of a Service."""
        return self._locks.setdefault(service, asyncio.Lock())
