"""An open promotion, as the active Service remembers it: it outlives its policy. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

from taxi_domain.kube import GROUP
from taxi_operator.core.jobs import PolicyKey, named_after, run_id
from taxi_operator.memory.fields import Fields
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Status
from taxi_operator.spec.ownership import Target
from taxi_operator.times import text_of

#: On the active Service from before the alias moves until pods and alias agree again.
PROMOTION_ANNOTATION: Final = f"{GROUP}/promotion"


class Rollback(StrEnum):
    """Why the champion before is promoted again."""

    #: An observation found it better.
    OBSERVATION = "Observation"
    REQUEST = "Request"


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
        rollback: It leads back to the version before, and why; None for a promotion.
        revision: Of a rollback: the alias' revision when it began. Forth and back look the same.
        message: Of a rollback: what the version that is left is rejected for.
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
    rollback: Rollback | None = None
    revision: int | None = None
    message: str = ""

    @property
    def text(self) -> str:
        """The annotation's value."""
        found = {**asdict(self), "since": text_of(self.since)}
        # An ordinary one has what releases before know.
        kept = {name: value for name, value in found.items() if value not in {None, ""}}
        return json.dumps(kept, sort_keys=True)

    def run(self, before: Run | None) -> Run:
        """Return the run as a policy's status has it; what else is known of it stays."""
        same = before is not None and before.number == self.number
        found = (
            before
            if same and before is not None
            else Run(self.number, self.attempt, RunState.PROMOTING, self.job_name, self.since)
        )
        moving = replace(
            found, state=RunState.PROMOTING, candidate=self.candidate, champion=self.champion,
            model=self.model, deployment=self.deployment, promoting_since=self.since,
            ended_at=None, next_attempt_at=None,
        )  # fmt: skip
        if self.rollback is None:
            return moving
        return replace(
            moving, state=RunState.ROLLING_BACK, candidate=self.champion, champion=self.candidate,
            by_request=self.rollback is Rollback.REQUEST, alias_revision=self.revision,
            message=self.message or moving.message,
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
    rollback, revision = fields.word("rollback", Rollback), fields.integer("revision")
    message = fields.text("message") or ""
    if notes:
        return None
    values: Any = {**texts, "service": metadata["name"]}
    return OpenPromotion(
        **values, number=number or 0, attempt=attempt or 1, since=since or 0.0,
        rollback=rollback, revision=revision, message=message,
    )  # fmt: skip


_TEXTS: Final = (
    "policy", "policy_uid", "model", "deployment", "candidate", "champion", "job_name",
)  # fmt: skip


def promotion_of(
    run: Run | None, key: PolicyKey, target: Target, now: float
) -> OpenPromotion | None:
    """Return the promotion, or the rollback, that a policy's run is at; None when it is at none.

    The run carries what it was begun for; only one of an older release is read from the spec.
    """
    if run is None or not run.is_moving or not run.candidate or not run.champion:
        return None
    promotion = OpenPromotion(
        policy=key.name, policy_uid=key.uid, service=target.service,
        model=run.model or target.model, deployment=run.deployment or target.deployment,
        candidate=run.candidate, champion=run.champion,
        number=run.number, attempt=run.attempt,
        job_name=run.job_name or rollback_name(key, run.number),
        since=now if run.promoting_since is None else run.promoting_since,
    )  # fmt: skip
    if run.state is RunState.PROMOTING:
        return promotion
    return replace(
        promotion, candidate=run.champion, champion=run.candidate,
        rollback=Rollback.REQUEST if run.by_request else Rollback.OBSERVATION,
        revision=run.alias_revision, message=run.message,
    )  # fmt: skip


def rollback_name(key: PolicyKey, number: int) -> str:
    """Return what a rollback that was requested has in place of a Job's name."""
    return named_after(key, f"{run_id(key.uid, number, 1)}-rollback")


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
    if run is not None and (run.number > promotion.number or run.is_moving):
        return status
    return replace(status, run=promotion.run(run))
