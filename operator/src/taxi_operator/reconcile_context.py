"""What one reconcile of a policy knows."""

from dataclasses import dataclass, field
from typing import Any

from taxi_operator.conditions import Finding
from taxi_operator.core.decisions import Traffic
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.core.readiness import Readiness
from taxi_operator.core.signals import Reading
from taxi_operator.memory.status import Status
from taxi_operator.observation import Observation
from taxi_operator.spec.policy import Policy

Document = dict[str, Any]


@dataclass(slots=True)
class ReconcileContext:
    """One evaluation of a policy, filled by its stages.

    Attributes:
        found: The policy as the API server has it, with the last status that was written.
        policy: Its spec.
        status: What was written last, or is to be written at the end.
        observation: What Prometheus answered.
        readings: The signals; emptied by a promotion, since they speak of the model before.
        problems: What went wrong; the first is shown.
        jobs: All Jobs of the policy.
        champion: How ready the champion is, None while that is not known.
        champion_missing: Its Deployment is not there.
        fallback_ready: Ready pods of the fallback.
        unready: The Deployment that the Service should select and does not: no pod of it is ready.
        can_decide: What the policy acts on is there.
        retrain_blocked: Why no run can start, empty when one can.
        held: Why nothing is done although something could be.
    """

    found: Document
    policy: Policy
    status: Status
    observation: Observation = field(default_factory=lambda: Observation((), None))
    readings: tuple[Reading, ...] = ()
    problems: list[Finding] = field(default_factory=list)
    jobs: list[Document] = field(default_factory=list)
    champion: Readiness | None = None
    champion_missing: bool = False
    fallback_ready: int = 0
    unready: Traffic | None = None
    can_decide: bool = False
    retrain_blocked: str = ""
    held: str = ""

    @property
    def key(self) -> PolicyKey:
        """The policy as its Jobs know it."""
        return PolicyKey(self.found["metadata"]["name"], self.found["metadata"]["uid"])
