"""Cluster and registry that note what they change."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from pymongo.asynchronous.database import AsyncDatabase

from taxi_domain.models import Alias, ModelState
from taxi_operator.adapters.api_server import ApiServer
from taxi_operator.adapters.audit_log import AuditLog
from taxi_operator.adapters.cluster import Cluster, Document
from taxi_operator.adapters.kinds import SERVICES, Kind
from taxi_store.admin.audit import Action
from taxi_store.registry.entries import AliasEntry
from taxi_store.registry.registry_async import AsyncRegistry

#: Services whose selectors are remembered.
_MAX_SERVICES: Final = 1000


class AuditedCluster(Cluster):
    """Notes Jobs, rollouts and selectors; not the memory that it keeps on its objects.

    Args:
        namespace: The namespace.
        api: Its API server.
        audit: Where it is noted.
    """

    def __init__(self, namespace: str, api: ApiServer, audit: AuditLog) -> None:
        super().__init__(namespace, api)
        self._audit = audit
        self._selectors: dict[str, Mapping[str, str]] = {}

    async def create_job(self, manifest: Document) -> bool:
        """Create a Job; False when one of that name exists already."""
        what = {"job": manifest["metadata"]["name"]}
        with _failures(self._audit, Action.CREATE_JOB, what):
            created = await super().create_job(manifest)
        if created:
            self._audit.note(Action.CREATE_JOB, what)
        return created

    async def end_job(self, name: str) -> None:
        """Let a Job end now."""
        with _failures(self._audit, Action.END_JOB, {"job": name}):
            await super().end_job(name)
        self._audit.note(Action.END_JOB, {"job": name})

    async def annotate_pods(self, deployment: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of a Deployment's pod template."""
        what = {"deployment": deployment}
        with _failures(self._audit, Action.ROLL_PODS, what):
            await super().annotate_pods(deployment, annotations)
        self._audit.note(Action.ROLL_PODS, what, after=annotations)

    async def select_pods(self, service: str, labels: Mapping[str, str]) -> None:
        """Let a Service select these pods."""
        what, before = {"service": service}, self._selectors.get(service, {})
        with _failures(self._audit, Action.SWITCH_TRAFFIC, what):
            await super().select_pods(service, labels)
        self._audit.note(Action.SWITCH_TRAFFIC, what, before=before, after=labels)

    async def _find(self, kind: Kind, name: str) -> Document | None:
        found = await super()._find(kind, name)
        if kind is SERVICES and found is not None:
            if len(self._selectors) >= _MAX_SERVICES:
                self._selectors.clear()
            self._selectors[name] = (found.get("spec") or {}).get("selector") or {}
        return found


class AuditedRegistry(AsyncRegistry):
    """Notes aliases and states.

    Args:
        database: Of the registry.
        audit: Where it is noted.
    """

    def __init__(self, database: AsyncDatabase[dict[str, Any]], audit: AuditLog) -> None:
        super().__init__(database)
        self._audit = audit

    async def move_alias(  # noqa: PLR0913 - the base's
        self, model: str, alias: Alias, *, to: str, expected: str | None, by: str, now: datetime
    ) -> AliasEntry:
        """Let an alias point at a version."""
        what, before = {"model": model, "alias": str(alias)}, {"version": expected}
        with _failures(self._audit, Action.PROMOTE, {**what, "version": to}):
            moved = await super().move_alias(model, alias, to=to, expected=expected, by=by, now=now)
        self._audit.note(Action.PROMOTE, what, before=before, after={"version": moved.version})
        return moved

    async def set_state(self, version: str, state: ModelState, *, reason: str = "") -> None:
        """Record where a version is in its life."""
        what = {"version": version}
        with _failures(self._audit, Action.SET_STATE, what):
            await super().set_state(version, state, reason=reason)
        after = {"state": str(state), "reason": reason}
        self._audit.note(Action.SET_STATE, what, after=after)


@contextmanager
def _failures(audit: AuditLog, action: Action, what: Mapping[str, Any]) -> Iterator[None]:
    """Note an action that fails; whether it was done nobody knows then."""
    try:
        yield
    except Exception as error:
        audit.note(action, what, problem=f"{type(error).__name__}: {error}")
        raise
