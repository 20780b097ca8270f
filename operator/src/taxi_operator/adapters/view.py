"""A namespace as watches tell of it: it is looked at in every tick without a call.

It may be some moments old. So it tells whether there is something to do; what is then done is
decided again from what the API server answers at that moment. What a watch does not tell of, an
object that seems to be missing, and everything while a watch is silent, is asked for directly.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from taxi_domain.errors import TaxiError
from taxi_operator.adapters.kinds import (
    CRON_JOBS,
    DEPLOYMENTS,
    JOBS,
    POLICIES,
    SERVICES,
    WATCHED,
    Document,
    Kind,
    matches,
)
from taxi_operator.adapters.reads import Reads
from taxi_operator.adapters.store import Store
from taxi_operator.adapters.watch import PACE, Pace, Source, Watch


class Watched(Reads, Source, Protocol):
    """The direct calls behind a view."""

    def tells(self, tell: Callable[[Kind, Mapping[str, Any]], None]) -> None:
        """Let somebody know of every object that a call is answered with."""
        ...


class View:
    """Reads of a namespace out of its watches.

    Args:
        cluster: Calls of the API server; what they are answered with becomes part of the view, so
            that it is never older than what this operator has written.
        failed: Called with every failure of a watch.
        pace: How long things take.
    """

    def __init__(
        self,
        cluster: Watched,
        failed: Callable[[TaxiError], None] = lambda _error: None,
        pace: Pace = PACE,
    ) -> None:
        self._cluster = cluster
        self._watches = {one.name: Watch(cluster, one, failed, pace) for one in WATCHED}
        self._tasks: list[asyncio.Task[None]] = []
        self._doubted: set[str] = set()
        cluster.tells(self.bring)

    def start(self) -> None:
        """Begin to watch, in the event loop that runs."""
        self._tasks = [
            asyncio.create_task(one.run(), name=f"watch of {name}")
            for name, one in self._watches.items()
        ]

    def stop(self) -> None:
        """End the watches."""
        for one in self._tasks:
            one.cancel()

    def is_current(self, kind: Kind) -> bool:
        """Tell whether objects of a kind are looked at here, and not asked for."""
        return self._watches[kind.name].is_current

    def bring(self, kind: Kind, document: Mapping[str, Any]) -> None:
        """Take an object that somebody was answered with, unless it is known already."""
        self._watches[kind.name].store.bring(document)

    def remove(self, kind: Kind, document: Mapping[str, Any]) -> None:
        """Forget an object that somebody knows to be gone."""
        self._watches[kind.name].store.remove(document)

    def doubt(self, policy: str) -> None:
        """Ask for a policy directly the next time: it turned out to be another one."""
        self._doubted.add(policy)

    async def policy(self, name: str) -> Document | None:
        """Return a DriftPolicy, None when it is gone."""
        found = None if name in self._doubted else self._found(POLICIES, name)
        if found is not None:
            # Whoever writes its status sets that, and the version.
            return {**found, "metadata": dict(found["metadata"])}
        self._doubted.discard(name)
        return await self._cluster.policy(name)

    async def policies(self) -> list[Document]:
        """Return all DriftPolicies."""
        store = self._store(POLICIES)
        return await self._cluster.policies() if store is None else store.all()

    async def cron_job(self, name: str) -> Document | None:
        """Return name and labels of a CronJob, None when there is none."""
        return self._found(CRON_JOBS, name) or await self._cluster.cron_job(name)

    async def job(self, name: str) -> Document | None:
        """Return a Job, None when there is none."""
        return self._found(JOBS, name) or await self._cluster.job(name)

    async def jobs(self, policy_uid: str) -> list[Document]:
        """Return the Jobs of a policy."""
        store = self._store(JOBS)
        return await self._cluster.jobs(policy_uid) if store is None else store.group(policy_uid)

    async def pods(self, selector: Mapping[str, str]) -> list[Document]:
        """Return the pods with all these labels; they are read while something is under way."""
        return await self._cluster.pods(selector)

    async def deployment(self, name: str) -> Document | None:
        """Return a Deployment, None when there is none."""
        return self._found(DEPLOYMENTS, name) or await self._cluster.deployment(name)

    async def services(self, selector: str) -> list[Document]:
        """Return the active Services with these labels."""
        store = self._store(SERVICES)
        if store is None or not selector.startswith(SERVICES.labels):
            return await self._cluster.services(selector)
        return [one for one in store.all() if matches(one["metadata"].get("labels"), selector)]

    async def service(self, name: str) -> Document | None:
        """Return a Service, None when there is none."""
        return self._found(SERVICES, name) or await self._cluster.service(name)

    async def endpoint_pods(self, service: str) -> set[str]:
        """Return the pods that a Service sends to; they are read while a switch is under way."""
        return await self._cluster.endpoint_pods(service)

    def _store(self, kind: Kind) -> Store | None:
        watch = self._watches[kind.name]
        return watch.store if watch.is_current else None

    def _found(self, kind: Kind, name: str) -> Document | None:
        store = self._store(kind)
        return None if store is None else store.find(name)
