"""A process of the operator: the real reconciler on adapters of a world, and its loop."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry

from support.simulator.clock import SimulatedLoop
from support.simulator.cluster import Namespace, SimulatedCluster
from support.simulator.faults import Caller, Killed, Network
from support.simulator.objects import POLICIES, Document, copied
from support.simulator.prometheus import Monitoring, SimulatedServers
from support.simulator.receiver import Hook, SimulatedWebhook
from support.simulator.registry import Models, SimulatedRegistry
from taxi_domain.errors import TaxiError
from taxi_operator.adapters import kinds
from taxi_operator.adapters.view import View
from taxi_operator.adapters.watch import Pace
from taxi_operator.effects.executor import Executor
from taxi_operator.metrics import Metrics
from taxi_operator.notify.outbox import Outbox
from taxi_operator.places import Places
from taxi_operator.reconciler import Reconciler
from taxi_operator.reports import ReportSource

_RETRY: Final = 5.0
_MAX_TICK: Final = 120.0
_PLACES: Final = 8


class Outside(Protocol):
    """What of a world a process is put on."""

    namespace: Namespace
    models: Models
    monitoring: Monitoring
    network: Network
    loop: SimulatedLoop
    #: Seconds between two passes over the Services, and the longest time until a new policy, or an
    #: edit, is seen.
    pace: float
    #: Where notices go, None where nobody is told.
    hook: Hook | None
    #: Most unfinished retrain Jobs at a time.
    max_runs: int
    #: Makes what carries effects out.
    executor: Callable[..., Executor]


def reconciler_of(world: Outside, caller: Caller) -> tuple[Reconciler, View, Outbox]:
    """Put the operator together on simulated adapters."""
    cluster, metrics = SimulatedCluster(world.namespace, caller), Metrics(CollectorRegistry())
    registry = SimulatedRegistry(world.models, caller)
    # Slower than in truth: a day of watches has to be simulated within a second.
    jitter = random.Random(caller.name)
    view = View(cluster, pace=Pace(200, 250, 300.0, 3600.0, world.loop.time, jitter))
    servers = SimulatedServers(world.monitoring, caller)
    webhook = None if world.hook is None else SimulatedWebhook(world.hook, caller)
    outbox = Outbox(webhook, metrics, cluster.clock, world.network.chance)
    reconciler = Reconciler(
        cluster, registry, metrics, ReportSource(),  # type: ignore[arg-type]
        servers, Places(_PLACES), view=view,  # type: ignore[arg-type]
        max_runs=world.max_runs, outbox=outbox, executor=world.executor,
    )  # fmt: skip
    return reconciler, view, outbox


class Process:
    """Reconciles each policy at the pause that it asks for, and keeps Services and promotions.

    Args:
        world: What it runs in.
        name: Its name in the journal.
        on_death: Called once when a call kills it.
    """

    def __init__(self, world: Outside, name: str, on_death: Callable[["Process"], None]) -> None:
        self.caller = Caller(name, world.network, self._die)
        self._world = world
        self._on_death = on_death
        self._reconciler, self._view, outbox = reconciler_of(world, self.caller)
        self._due: dict[str, float] = {}
        self._seen: dict[str, object] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._loop = world.loop.create_task(self._run(), name=name)
        self._deliveries = world.loop.create_task(_until_killed(outbox.run()))

    def stop(self) -> None:
        """End the process: nothing of it does anything any more."""
        self.caller.dead = True
        self._view.stop()
        for task in (self._loop, self._deliveries, *self._running.values()):
            task.cancel()

    def _die(self) -> None:
        if not self.caller.dead:
            self.caller.dead = True
            self._world.loop.call_soon(self.stop)
            self._on_death(self)

    async def _run(self) -> None:
        clock, keep_at = self._world.loop.time, 0.0
        self._view.start()
        while True:
            self._see()
            for name, due in list(self._due.items()):
                if due <= clock() and name not in self._running:
                    self._start(name, self._reconcile(name))
            if keep_at <= clock() and "" not in self._running:
                keep_at = clock() + self._world.pace
                self._start("", self._keep())
            soonest = min([keep_at, *self._due.values()])
            await asyncio.sleep(min(max(soonest - clock(), 0.5), self._world.pace))

    def _see(self) -> None:
        """Look at the policies as kopf's watch does."""
        found = {one["metadata"]["name"]: one for one in self._policies()}
        for name, policy in found.items():
            metadata = policy["metadata"]
            version = (metadata["uid"], metadata["generation"], metadata.get("deletionTimestamp"))
            if self._seen.get(name) != version:
                self._view.bring(kinds.POLICIES, copied(policy))
                self._seen[name] = version
                self._due[name] = 0.0
        for name in set(self._due) - set(found):
            del self._due[name]
            del self._seen[name]

    def _policies(self) -> list[Document]:
        return self._world.namespace.objects.all(POLICIES)

    def _start(self, name: str, act: Awaitable[None]) -> None:
        async def run() -> None:
            try:
                await act
            finally:
                self._running.pop(name, None)

        self._running[name] = asyncio.get_running_loop().create_task(run())

    async def _reconcile(self, name: str) -> None:
        begin, pause = self._world.loop.time(), _RETRY
        self._due[name] = begin + _MAX_TICK  # unless it tells otherwise, or an edit is seen
        found = await self._guarded(lambda: self._reconciler.reconcile(name))
        pause = _RETRY if found is None else found
        if name in self._due:
            self._due[name] = min(self._due[name], begin + pause)

    async def _keep(self) -> None:
        await self._guarded(self._reconciler.keep_selectors)
        await self._guarded(self._reconciler.keep_promotions)

    async def _guarded(self, act: Callable[[], Awaitable[float | None]]) -> float | None:
        """Do what the scheduler does around each pass; a defect is written down."""
        try:
            async with asyncio.timeout(_MAX_TICK):
                return await act()
        except Killed:
            return None
        except (TaxiError, TimeoutError) as error:
            if "a defect" in str(error):
                self._world.namespace.journal.note("defect", text=str(error))
        except Exception as error:
            self._world.namespace.journal.note("defect", text=repr(error))
        return None


async def _until_killed(act: Coroutine[Any, Any, None]) -> None:
    with suppress(Killed):
        await act
