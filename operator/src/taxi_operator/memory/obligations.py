"""An open promotion, as the active Service remembers it: it outlives its policy. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from taxi_domain.kube import GROUP
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.memory.fields import Fields
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Status
from taxi_operator.spec.ownership import Target
from taxi_operator.times import text_of

#: On the active Service from before the alias moves until pods and alias agree again.
PROMOTION_ANNOTATION: Final = f"{GROUP}/promotion"


@dataclass(frozen=True, slots=True)
class OpenPromotion:
    """What has to be known to carry a promotion to its end or back, without its policy.

    Attributes:
        policy: Name of the policy that began it.
        policy_uid: Its uid.
        service: The active Service, which holds this.
        model: Model whose alias moves.
        deployment: Deployment whose pods are rolled.
        candidate: Version that is promoted.
        champion: Version that was the champion before.
        number: Decision of the run.
        attempt: Attempt of the run.
        job_name: Job of the run.
        since: When it began, seconds since the epoch.
    """

    policy: str
    policy_uid: str
    service: str
    model: str
    deployment: str
    candidate: str
    champion: str
    number: int
    attempt: int
    job_name: str
    since: float

    @property
    def text(self) -> str:
        """The annotation's value."""
        return json.dumps({**asdict(self), "since": text_of(self.since)}, sort_keys=True)

    def run(self, before: Run | None) -> Run:
        """Return the run as a policy's status has it; what else is known of it stays."""
        same = before is not None and before.number == self.number
        found = (
            before
            if same and before is not None
            else Run(self.number, self.attempt, RunState.PROMOTING, self.job_name, self.since)
        )
        return replace(
            found, state=RunState.PROMOTING, candidate=self.candidate, champion=self.champion,
            model=self.model, deployment=self.deployment, promoting_since=self.since,
            ended_at=None, next_attempt_at=None,
        )  # fmt: skip


def promotion_on(service: Mapping[str, Any] | None, now: float) -> OpenPromotion | None:
    """Return the promotion that a Service remembers; None without one, or when it is unreadable."""
    metadata = (service or {}).get("metadata") or {}
    text = (metadata.get("annotations") or {}).get(PROMOTION_ANNOTATION)
    if text is None:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    notes: dict[str, str] = {}
    fields = Fields(found, "", now, notes)
    texts = {name: fields.text(name) for name in _TEXTS}
    number, attempt = fields.integer("number"), fields.integer("attempt")
    since = fields.time("since")
    if notes or not all(texts.values()) or None in {number, attempt, since}:
        return None
    values: Any = {**texts, "service": metadata["name"]}
    return OpenPromotion(**values, number=number or 0, attempt=attempt or 1, since=since or 0.0)


_TEXTS: Final = (
    "policy", "policy_uid", "model", "deployment", "candidate", "champion", "job_name",
)  # fmt: skip


def promotion_of(
    run: Run | None, key: PolicyKey, target: Target, now: float
) -> OpenPromotion | None:
    """Return the promotion that a policy's run is at; None when it is at none.

    The run carries what it was begun for; only one of an older release is read from the spec.
    """
    if run is None or run.state is not RunState.PROMOTING or not run.candidate or not run.champion:
        return None
    return OpenPromotion(
        policy=key.name, policy_uid=key.uid, service=target.service,
        model=run.model or target.model, deployment=run.deployment or target.deployment,
        candidate=run.candidate, champion=run.champion,
        number=run.number, attempt=run.attempt, job_name=run.job_name,
        since=now if run.promoting_since is None else run.promoting_since,
    )  # fmt: skip


def recalled(
    status: Status, service: Mapping[str, Any] | None, policy_uid: str, now: float
) -> Status:
    """Return a status with the promotion that its Service remembers, where it does not itself.

    A crash between alias and status leaves it so, and so does a status that was lost.
    """
    promotion = promotion_on(service, now)
    if promotion is None or promotion.policy_uid != policy_uid:
        return status
    run = status.run
    if run is not None and (run.number > promotion.number or run.state is RunState.PROMOTING):
        return status
    return replace(status, run=promotion.run(run))
