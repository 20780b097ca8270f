"""When which policy is evaluated: one loop, bounded concurrency, watched by the probe."""

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from taxi_domain.errors import TaxiError
from taxi_domain.logs import about
from taxi_domain.metrics import (
    OPERATOR_API_ERRORS,
    OPERATOR_RECONCILE_DURATION,
    OPERATOR_RECONCILE_LAG,
    OPERATOR_RECONCILES,
)
from taxi_operator.metrics import Metrics
from taxi_operator.places import Places
from taxi_operator.reconciler import Reconciler

logger = logging.getLogger(__name__)

_LOOP_SECONDS: Final = 0.5
_KEEP_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 5.0
_MAX_TICK: Final = 120.0


class Scheduler:
    """Ticks policies at their intervals and keeps the selectors."""

    def __init__(
        self,
        reconciler: Reconciler,
        metrics: Metrics,
        places: Places,
        clock: Callable[[], float] = time.monotonic,
        jitter: random.Random | None = None,
    ) -> None:
        self._reconciler = reconciler
        self._metrics = metrics
        self._places = places
        self._clock = clock
        self._random = jitter or random.Random()
        self._due: dict[str, float] = {}
        self._seen: dict[str, object] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self.beat = clock()

    def saw(self, name: str, version: object) -> None:
        """A policy exists; evaluate it soon if that is news.

        Args:
            name: Name of the policy.
            version: What differs when people changed it; our own writing must not wake us.
        """
        if name not in self._seen:
            self._metrics.know(name)
        if self._seen.get(name) != version:
            self._seen[name] = version
            self._due[name] = self._clock() + _LOOP_SECONDS

    def lost(self, name: str) -> None:
        """A policy is gone."""
        self._seen.pop(name, None)
        self._due.pop(name, None)
        self._metrics.forget(name)

    async def run(self) -> None:
        """Loop for ever."""
        selectors = asyncio.create_task(self._reconcile_selectors(), name="selector loop")
        try:
            while True:
                self.beat = self._clock()
                for name, due in list(self._due.items()):
                    if due <= self.beat and name not in self._running:
                        # What is seen from here on wants another reconcile after this one.
                        self._due[name] = math.inf
                        task = asyncio.create_task(self._reconcile(name, due), name=name)
                        self._running[name] = task
                        task.add_done_callback(self._ended)
                if selectors.done():
                    selectors = asyncio.create_task(
                        self._reconcile_selectors(), name="selector loop"
                    )
                await asyncio.sleep(_LOOP_SECONDS)
        finally:
            selectors.cancel()
            for task in list(self._running.values()):
                task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task.get_name(), None)

    async def _reconcile(self, name: str, due: float) -> None:
        with about(policy=name):
            await self._reconcile_one(name, due)

    async def _reconcile_one(self, name: str, due: float) -> None:
        pause = _RETRY_SECONDS
        begin = self._clock()
        try:
            async with self._places, asyncio.timeout(_MAX_TICK):
                # The wait for a place is a delay like any other.
                self._metrics[OPERATOR_RECONCILE_LAG].labels(name).set(self._clock() - due)
                pause = await self._reconciler.reconcile(name)
        except (TaxiError, TimeoutError) as error:
            self._metrics[OPERATOR_RECONCILES].labels(name, "error").inc()
            logger.warning("reconcile failed", extra={"problem": repr(error)})
        except Exception:
            # The one broad net of this process: a defect in one policy must not stop the others.
            self._metrics[OPERATOR_RECONCILES].labels(name, "error").inc()
            logger.exception("reconcile failed")
        self._metrics[OPERATOR_RECONCILE_DURATION].observe(self._clock() - begin)
        if name in self._due:
            due = begin + pause * self._random.uniform(0.95, 1.05)
            self._due[name] = min(self._due[name], due)

    async def _reconcile_selectors(self) -> None:
        while True:
            await self._keep_one("selectors", self._reconciler.keep_selectors)
            await self._keep_one("promotions", self._reconciler.keep_promotions)
            await asyncio.sleep(_KEEP_SECONDS * self._random.uniform(0.9, 1.1))

    async def _keep_one(self, what: str, keep: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(_MAX_TICK):
                await keep()
        except (TaxiError, TimeoutError) as error:
            self._metrics[OPERATOR_API_ERRORS].labels("kubernetes").inc()
            logger.warning("pass failed", extra={"of": what, "problem": repr(error)})
        except Exception:
            logger.exception("pass failed", extra={"of": what})
