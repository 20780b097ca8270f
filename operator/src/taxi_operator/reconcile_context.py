"""What one reconcile of a policy knows, and what its log lines are about."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from taxi_domain.logs import about
from taxi_operator.conditions import Finding, Outcome
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.memory.status import Status
from taxi_operator.plan.plan import Plan
from taxi_operator.plan.seen import Seen
from taxi_operator.plan.subject import subject_of, under_way
from taxi_operator.spec.policy import Policy

Document = dict[str, Any]


@dataclass(slots=True)
class ReconcileContext:
    """One evaluation of a policy, filled by its stages.

    Attributes:
        found: The policy as the API server has it, with the last status that was written.
        policy: Its spec.
        status: What was written last, or is to be written at the end.
        seen: What is seen so far.
        problems: What went wrong; the first is shown.
        holds: Why nothing is done although something could be.
        is_sure: What is seen was read directly: something may be done.
    """

    found: Document
    policy: Policy
    status: Status
    seen: Seen
    problems: list[Finding] = field(default_factory=list)
    holds: tuple[str, ...] = ()
    is_sure: bool = False

    @property
    def key(self) -> PolicyKey:
        """The policy as its Jobs know it."""
        return PolicyKey(self.found["metadata"]["name"], self.found["metadata"]["uid"])

    def see(self, **parts: Any) -> None:
        """Take in what was just seen."""
        self.seen = replace(self.seen, **parts)

    def outcome(self, unreachable: str) -> Outcome:
        """Return what is shown beside the status.

        Args:
            unreachable: Why Prometheus did not answer, empty when it did.
        """
        target, wanted = self.seen.target, self.status.traffic
        is_unready = target is not None and target.stays_away(wanted)
        is_unavailable = target is not None and target.champion.unavailable(self.seen.now)
        return Outcome(
            readings=self.seen.readings or (),
            problem=self.problems[0] if self.problems else None,
            unreachable=unreachable,
            holds=self.holds,
            unready=wanted if is_unready else None,
            unavailable=target.champion.since if target and is_unavailable else None,
        )


def about_status(found: Document, status: Status) -> AbstractContextManager[None]:
    """Give the policy, and the decision that it carries out, to all log lines within."""
    metadata = found["metadata"]
    return about(policy=metadata["name"], decision=under_way(metadata["uid"], status))


def about_step(context: ReconcileContext, plan: Plan) -> AbstractContextManager[None]:
    """Give the decision of a step to all log lines, and traces, within."""
    return about(decision=subject_of(context.key.uid, plan))
