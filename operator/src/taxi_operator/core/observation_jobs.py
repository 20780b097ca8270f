"""Jobs that look at what became of a promotion: their names and manifests. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from taxi_domain.kube import OBSERVATION_LABEL, POLICY_LABEL
from taxi_domain.runs import decision_id
from taxi_operator.core.jobs import Identity, Manifest, PolicyKey, made_from, named_after
from taxi_operator.spec.policy import Observation
from taxi_operator.times import text_of


def observation_id(uid: str, number: int, look: int) -> str:
    """Return the id of a look at a decision's promotion; no attempt of a run has it.

    >>> observation_id("0a1b2c3d-0000-0000-0000-000000000000", 7, 1)
    '0a1b2c3d-0007-observe-1'
    """
    return f"{decision_id(uid, number)}-observe-{look}"


def observation_job_name(policy: PolicyKey, number: int, look: int) -> str:
    """Return the name of a look's Job."""
    return named_after(policy, observation_id(policy.uid, number, look))


@dataclass(frozen=True, slots=True)
class Look:
    """One look at what became of a promotion.

    Attributes:
        number: Decision of the run.
        look: From 1.
        champion: Version that serves.
        before: Version that it is compared with.
        since: End of the rollout, seconds since the epoch.
    """

    number: int
    look: int
    champion: str
    before: str
    since: float


def observation_job(
    cron_job: Mapping[str, Any],
    policy: PolicyKey,
    look: Look,
    observation: Observation,
    deadline_seconds: int | None,
) -> Manifest:
    """Return the Job of a look; it has none of the labels that retrain Jobs are counted by.

    Raises:
        FieldError: the template has no container `train`.
    """
    arguments = [
        "observe",
        "--champion", look.champion, "--before", look.before,
        "--since", str(text_of(look.since)),
        "--min-labelled-rows", str(observation.min_labelled_rows),
        "--confidence", observation.confidence,
    ]  # fmt: skip
    labels = {POLICY_LABEL: policy.label, OBSERVATION_LABEL: str(look.number)}
    job = Identity(
        observation_job_name(policy, look.number, look.look),
        observation_id(policy.uid, look.number, look.look), labels, arguments,
        cron_job["metadata"]["name"],
    )  # fmt: skip
    return made_from(cron_job["spec"]["jobTemplate"], policy, job, deadline_seconds)
