"""What people and tools see of a policy: its status, its events, its metrics."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from taxi_domain.errors import FieldError, NotAvailableError, TaxiError
from taxi_domain.kube import KIND
from taxi_domain.metrics import (
    OPERATOR_API_ERRORS,
    OPERATOR_DECISIONS,
    OPERATOR_RECONCILES,
    OPERATOR_RUNS,
)
from taxi_operator import conditions
from taxi_operator.adapters.cluster import ApiError, Cluster
from taxi_operator.adapters.prometheus import QueryError
from taxi_operator.conditions import READY, Finding, Outcome, rebuilt
from taxi_operator.core.services import TargetMissingError
from taxi_operator.core.signals import Reading
from taxi_operator.figures import Figures
from taxi_operator.memory.status import Status
from taxi_operator.memory.status_document import document_of, for_older_resource
from taxi_operator.metrics import Metrics
from taxi_operator.notify.outbox import Outbox
from taxi_operator.plan.plan import Note, Plan
from taxi_operator.reconcile_context import ReconcileContext
from taxi_operator.texts import bounded, cut
from taxi_store.connection import StoreUnavailableError

logger = logging.getLogger(__name__)

Document = dict[str, Any]

#: The API server takes no longer text of an Event.
_MAX_EVENT: Final = 1024
#: What it says of a field that the resource does not have.
_UNDECLARED: Final = "not declared in schema"


class Reporter:
    """Writes what is to be seen; only changes are written, and those of figures seldom."""

    def __init__(
        self,
        cluster: Cluster,
        metrics: Metrics,
        clock: Callable[[], float],
        outbox: Outbox | None = None,
    ) -> None:
        self._cluster = cluster
        self.metrics = metrics
        self.clock = clock
        self._figures = Figures(_seconds)
        self._outbox = outbox or Outbox(None, metrics, clock)
        self._told_of_resource = False

    async def write(self, found: Document, status: Status) -> None:
        """Write a status; the policy at hand then has it too. What is due in it is sent."""
        document = bounded(document_of(status, found["metadata"]["generation"]))
        if self._figures.is_news(found["metadata"]["name"], found.get("status") or {}, document):
            found["status"] = await self._apply(found, document)
        self._outbox.offer(found)

    async def _apply(self, found: Document, document: Document) -> Document:
        """Write a status; return what was written, which is less where the resource is older.

        An apply with one field that the resource does not have is refused as a whole. Decisions
        go before their links.
        """
        try:
            await self._cluster.apply_status(found, document)
        except ApiError as error:
            if _UNDECLARED not in str(error):
                raise
            if not self._told_of_resource:
                logger.warning(
                    "the CustomResourceDefinition is of an older release, so decisions have no "
                    "links to reports, nobody is told by webhook, and dry runs have no memory; "
                    "upgrade it",
                    extra={"problem": str(error)},
                )
            self._told_of_resource = True
            document = for_older_resource(document)
            await self._cluster.apply_status(found, document)
        return document

    async def save(self, context: ReconcileContext, status: Status) -> None:
        """Write a status in the middle of a reconcile, before or after an action."""
        await self.write(context.found, status)
        context.status = status

    async def take(self, found: Document, status: Status, plan: Plan) -> Status:
        """Write and tell what a step made of a status, for a policy that is not served."""
        if plan.memory != status:
            await self.write(found, plan.memory)
            self.count_run(found["metadata"]["name"], status, plan.memory)
        if plan.note is not None:
            await self.tell(found, plan.note)
        return plan.memory

    def count_run(self, name: str, before: Status, after: Status) -> None:
        """Count a policy's retrain run that ended by a step."""
        was, run = before.run, after.run
        if run is None or run.is_open or run.by_request:
            return
        if was is None or was.is_open or was.number != run.number:
            self.metrics[OPERATOR_RUNS].labels(name, str(run.state)).inc()

    async def note_deliveries(self, found: Document, status: Status) -> Status:
        """Return a status that remembers which notices were delivered, or lost, meanwhile."""
        status, notes = self._outbox.noted(status, found["metadata"]["uid"])
        for note in notes:
            await self.tell(found, note)
        return status

    async def tell(self, found: Document, note: Note) -> None:
        """Post the Event of a step."""
        await self.emit_event(found, note.reason, note.message, warning=note.warning)

    async def emit_decision(self, found: Document, status: Status, why: str) -> None:
        """Tell people of the newest decision of a status, with the link to its report."""
        assert status.decision is not None
        decision, name = status.decision, found["metadata"]["name"]
        self.metrics[OPERATOR_DECISIONS].labels(name, decision["action"]).inc()
        text = f"decision {decision['number']}: because of {why}"
        if "reportURL" in decision:
            text += f"; report: {decision['reportURL']}"
        elif "reportMessage" in decision:
            text += f"; no report: {decision['reportMessage']}"
        await self.emit_event(found, f"{decision['action']}Decided", text)

    async def heal(self, found: Document, status: Status) -> None:
        """Remove what cannot be read from a policy's status, and tell people once."""
        before = found.get("status") or {}
        parts = [one for one in status.unreadable if one in before]
        if not parts:
            return
        # What could be read stands before the rest goes: nobody may find less in between.
        await self.write(found, status)
        kept = found["status"]
        left = {one: _left(before[one], kept.get(one)) for one in parts}
        left = {name: one for name, one in left.items() if one != {}}
        if left:
            await self._cluster.remove_status(found, left)
        gone = {name for name, one in left.items() if one is None}
        found["status"] = {name: one for name, one in kept.items() if name not in gone}
        await self.emit_event(found, "StatusUnreadable", rebuilt(status), warning=True)

    async def begin(self, found: Document, status: Status) -> Status:
        """Give a new policy its conditions, all of them still unknown."""
        if status.conditions:
            return status
        generation = found["metadata"]["generation"]
        first = conditions.merged((), conditions.unknown(), generation, self.clock())
        status = replace(status, conditions=first)
        await self.write(found, status)
        return status

    async def report(self, found: Document, status: Status, outcome: Outcome) -> None:
        """Write the status with its conditions, and tell people of transitions."""
        new = conditions.findings(status, outcome)
        before = status.conditions
        generation = found["metadata"]["generation"]
        merged = conditions.merged(before, new, generation, self.clock())
        await self.write(found, replace(status, conditions=merged))
        for one in conditions.transitions(before, new):
            await self.emit_event(
                found, f"{one.kind}{one.status}", one.message or one.reason,
                warning=conditions.is_bad(one),
            )  # fmt: skip
        name, present = found["metadata"]["name"], {one.kind: one.status for one in new}
        self.metrics.set_conditions(name, present)
        result = "ok" if outcome.problem is None else "error"
        self.metrics[OPERATOR_RECONCILES].labels(name, result).inc()

    async def emit_event(
        self, found: Document, reason: str, message: str, *, warning: bool = False,
        kind: str = KIND,
    ) -> None:  # fmt: skip
        """Post an Event; that it cannot be posted must not stop an action."""
        message = cut(message, _MAX_EVENT)
        who = {"policy" if kind == KIND else "service": found["metadata"]["name"]}
        logger.info(message, extra={**who, "reason": reason})
        try:
            await self._cluster.event(found, reason, message, warning=warning, kind=kind)
        except (ApiError, NotAvailableError) as error:
            self.metrics[OPERATOR_API_ERRORS].labels("events").inc()
            logger.warning("event is not posted", extra={"problem": str(error)})

    def measure(self, name: str, readings: Sequence[Reading]) -> None:
        """Export the signals; what is not known is not exported."""
        self.metrics.keep_signals(name, {one.name for one in readings})
        for one in readings:
            self.metrics.set_signal(name, one.name, one.value, breached=one.breached)

    def problem_of(self, error: TaxiError) -> Finding:
        """Return the condition that an error is shown as; the next reconcile tries again."""
        reason = "Blocked"
        if isinstance(error, QueryError):
            reason = error.reason
        elif isinstance(error, FieldError):
            reason = "InvalidSpec"
        elif isinstance(error, ApiError):
            self.metrics[OPERATOR_API_ERRORS].labels("kubernetes").inc()
            quota = "exceeded quota" in str(error)
            reason = "QuotaExceeded" if quota else error.reason or "ApiError"
        elif isinstance(error, StoreUnavailableError):
            self.metrics[OPERATOR_API_ERRORS].labels("mongodb").inc()
            reason = "RegistryUnavailable"
        elif isinstance(error, NotAvailableError):
            self.metrics[OPERATOR_API_ERRORS].labels("kubernetes").inc()
            reason = "ApiServerUnavailable"
        elif isinstance(error, TargetMissingError):
            reason = "TargetMissing"
        return Finding(READY, "False", reason, str(error))


def _seconds() -> float:
    return time.monotonic()


def _left(before: object, kept: object) -> Document | None:
    """Return what is to be removed of a part of a status: None for all of it."""
    if not isinstance(before, dict) or not isinstance(kept, dict):
        return None
    return {name: None for name in before if name not in kept}


def defect_of(policy: str, error: Exception) -> Finding:
    """Return the condition of a policy that a defect hinders: it must not say that it is served."""
    logger.error("reconcile failed", extra={"policy": policy}, exc_info=error)
    message = f"a defect of the operator ({type(error).__name__}); its log has more"
    return Finding(READY, "False", "InternalError", message)
