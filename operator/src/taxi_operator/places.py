"""Places for reconciles that work at the same time; one that waits for others has none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class Places:
    """Some places, each of which one task has within `async with`.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self._taken: set[asyncio.Task[Any] | None] = set()

    async def __aenter__(self) -> None:
        """Wait for a place and take it."""
        await self._free.acquire()
        self._taken.add(asyncio.current_task())

    async def __aexit__(self, *_: object) -> None:
        """Leave it."""
        self._leave()

    @asynccontextmanager
    async def left(self) -> AsyncIterator[None]:
        """Leave the task's place to others, and take one again afterwards.

        A server that does not answer then costs the policies that ask it, and no other.
        """
        if not self._leave():
            yield
            return
        yield
        # An error goes on without a place: what follows it is short. So does a cancellation.
        await self.__aenter__()

    def _leave(self) -> bool:
        task = asyncio.current_task()
        if task not in self._taken:
            return False
        self._taken.remove(task)
        self._free.release()
        return True
