"""An executor that makes a span of each decision and of each effect; used where traces are made.

All that follows from a decision is in one trace, in however many reconciles, and lives of the
operator, it happens.
"""

from typing import Any

from opentelemetry.trace import SpanKind

from taxi_domain.logs import DECISION, POLICY, present
from taxi_operator.effects.executor import Executor, Write
from taxi_operator.plan.effects import (
    AnnotatePods,
    AnnotateService,
    CreateJob,
    Effect,
    EndJob,
    MoveAlias,
    Select,
    SetState,
)
from taxi_operator.plan.plan import Plan
from taxi_operator.plan.seen import Done
from taxi_runtime.traces import Traces


class TracedExecutor(Executor):
    """Carries out effects as the base does.

    Args:
        traces: Makes the spans.
        rest: As of the base.
    """

    def __init__(self, traces: Traces, *rest: Any) -> None:
        super().__init__(*rest)
        self._traces = traces

    async def carry_out(self, plan: Plan, write: Write) -> Done:
        """Carry out a step, as the base does."""
        decision = plan.decision
        if decision is None:
            return await super().carry_out(plan, write)
        with self._traces.span(
            f"decision {decision.action}", trace_of=_subject(), action=str(decision.action),
            because=", ".join(decision.because) or decision.reason,
        ):  # fmt: skip
            return await super().carry_out(plan, write)

    async def _one(self, effect: Effect) -> bool | None:
        with self._traces.span(
            f"effect {type(effect).__name__}", kind=SpanKind.CLIENT, trace_of=_subject(),
            **_told_of(effect),
        ):  # fmt: skip
            return await super()._one(effect)


def _subject() -> str:
    """Return what the trace is of: a decision has an id of its policy's, and its time."""
    fields = present()
    return f"{fields.get(POLICY)}/{fields[DECISION]}" if DECISION in fields else ""


def _told_of(effect: Effect) -> dict[str, str]:
    """Return what an effect's span says of it."""
    match effect:
        case CreateJob():
            return {"job": effect.manifest["metadata"]["name"]}
        case EndJob():
            return {"job": effect.job}
        case MoveAlias():
            return {"model": effect.model, "version": effect.to, "before": effect.expected}
        case SetState():
            return {"version": effect.version, "state": str(effect.state)}
        case AnnotatePods():
            return {"deployment": effect.deployment}
        case AnnotateService():
            return {"service": effect.service}
        case Select():
            return {"service": effect.service, "traffic": str(effect.traffic)}
