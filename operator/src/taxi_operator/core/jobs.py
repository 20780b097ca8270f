"""Retrain Jobs: their names, their manifests, and what became of them. Pure."""

import copy
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from taxi_domain.errors import FieldError
from taxi_domain.kube import (
    ATTEMPT_LABEL,
    COMPONENT_LABEL,
    DECISION_LABEL,
    GROUP,
    INSTANCE_LABEL,
    KIND,
    POLICY_LABEL,
    POLICY_UID_LABEL,
    TRAIN,
    VERSION,
)
from taxi_domain.runs import EXIT_DATA_QUALITY, EXIT_USAGE, RUN_ID_VARIABLE, decision_id
from taxi_operator.core.run_terms import TERMS_ANNOTATION, Terms, annotation_of
from taxi_operator.spec.policy import Retrain

Manifest = dict[str, Any]

#: Of a run's id behind the policy: decision and attempt.
_ID_PARTS: Final = 2
_MAX_NAME: Final = 52  # leaves room for the pods' suffix within 63
_CONTAINER: Final = "train"
#: Seconds of a Job when neither the policy nor the template limits it.
_MAX_RUN: Final = 1800
#: A number of ours; the next one has to fit into a label too.
_NUMBER: Final = re.compile("[0-9]{1,9}")


class JobState(StrEnum):
    """Where a Job is."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    MISSING = "Missing"


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """State of a Job with a named reason for people."""

    state: JobState
    reason: str = ""
    message: str = ""
    retry_is_useless: bool = False


@dataclass(frozen=True, slots=True)
class PolicyKey:
    """The policy that owns a Job."""

    name: str
    uid: str

    @property
    def label(self) -> str:
        """The name as the value of a label."""
        return self.name[:63].rstrip("-.")


def run_id(uid: str, number: int, attempt: int) -> str:
    """Return the id of an attempt; the same decision always gives the same.

    >>> run_id("0a1b2c3d-0000-0000-0000-000000000000", 7, 1)
    '0a1b2c3d-0007-1'
    """
    return f"{decision_id(uid, number)}-{attempt}"


def number_of(run: str, policy: PolicyKey) -> int | None:
    """Return the decision that a run's id is of, None when it is of another policy, or of a hand.

    >>> number_of("0a1b2c3d-0007-1", PolicyKey("p", "0a1b2c3d-0000-0000-0000-000000000000"))
    7
    """
    head, *rest = run.split("-")
    if head != policy.uid[:8] or len(rest) != _ID_PARTS or not _NUMBER.fullmatch(rest[0]):
        return None
    return int(rest[0])


def job_name(policy: PolicyKey, number: int, attempt: int) -> str:
    """Return a Job's name: policy, decision and attempt, at most 52 characters."""
    return named_after(policy, run_id(policy.uid, number, attempt))


def named_after(policy: PolicyKey, tail: str) -> str:
    """Return a name of at most 52 characters: the policy's, cut where it is long, and a tail."""
    head = policy.name.replace(".", "-")
    room = _MAX_NAME - len(tail) - 1
    if len(head) > room:
        digest = hashlib.sha256(policy.name.encode()).hexdigest()[:6]
        head = f"{head[: room - 7].rstrip('-')}-{digest}"
    return f"{head}-{tail}"


def job_manifest(
    template: Mapping[str, Any],
    policy: PolicyKey,
    number: int,
    attempt: int,
    retrain: Retrain,
    terms: Terms,
) -> Manifest:
    """Return the Job of an attempt, made from the suspended CronJob's template.

    Raises:
        FieldError: the template has no container `train`.
    """
    gate = terms.gate
    arguments = [
        "run",
        "--min-labelled-rows", str(gate.min_labelled_rows),
        "--min-relative-gain", gate.min_relative_gain,
        "--confidence", gate.confidence,
    ]  # fmt: skip
    labels = {
        POLICY_LABEL: policy.label, POLICY_UID_LABEL: policy.uid,
        DECISION_LABEL: str(number), ATTEMPT_LABEL: str(attempt),
    }  # fmt: skip
    job = Identity(
        job_name(policy, number, attempt), run_id(policy.uid, number, attempt), labels, arguments,
        retrain.cron_job,
    )  # fmt: skip
    made = made_from(template, policy, job, retrain.deadline_seconds)
    made["metadata"]["annotations"] = {TERMS_ANNOTATION: annotation_of(terms)}
    return made


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a Job from others of its CronJob."""

    name: str
    run_id: str
    labels: Mapping[str, str]
    arguments: Sequence[str]
    cron_job: str


def made_from(
    template: Mapping[str, Any],
    policy: PolicyKey,
    job: Identity,
    deadline_seconds: int | None,
) -> Manifest:
    """Make a Job from the suspended CronJob's template.

    Only the arguments, the run's id, the limits and the labels are set: writing a
    policy must not be enough to run arbitrary pods.
    """
    spec: Manifest = copy.deepcopy(dict(template["spec"]))
    pod = spec["template"]["spec"]
    containers = [one for one in pod["containers"] if one["name"] == _CONTAINER]
    if not containers:
        raise FieldError(
            "spec.retrain.jobFrom.cronJobName", f"{job.cron_job} has no container {_CONTAINER}",
            "name the chart's suspended CronJob",
        )  # fmt: skip
    (container,) = containers
    container["args"] = list(job.arguments)
    others = [one for one in container.get("env") or [] if one["name"] != RUN_ID_VARIABLE]
    container["env"] = [*others, {"name": RUN_ID_VARIABLE, "value": job.run_id}]
    spec["backoffLimit"] = 0
    limits = (deadline_seconds, spec.get("activeDeadlineSeconds"))
    spec["activeDeadlineSeconds"] = min((one for one in limits if one), default=_MAX_RUN)
    inherited = (template.get("metadata") or {}).get("labels") or {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job.name,
            "labels": {**inherited, **job.labels},
            "ownerReferences": [owner_reference(policy)],
        },
        "spec": spec,
    }


def template_problem(cron_job: Mapping[str, Any] | None, name: str, instance: str) -> str:
    """Return why a CronJob is no template of retrain Jobs, empty when it is one.

    Writing a policy must not be enough to start whatever CronJob a namespace has.

    Args:
        cron_job: The CronJob, None when there is none.
        name: Its name.
        instance: The release whose objects are ours; empty when all of the namespace are.
    """
    remedy = "spec.retrain.jobFrom.cronJobName has to name the chart's suspended CronJob"
    if cron_job is None:
        return f"CronJob {name}: is not there; {remedy}"
    labels = cron_job["metadata"].get("labels") or {}
    if labels.get(COMPONENT_LABEL) != TRAIN:
        return f"CronJob {name}: has no label {COMPONENT_LABEL}={TRAIN}; {remedy}"
    if instance and labels.get(INSTANCE_LABEL) != instance:
        return f"CronJob {name}: is not of the release {instance}; {remedy}"
    return ""


def owner_reference(policy: PolicyKey) -> Manifest:
    """Return what lets a Job go with its policy."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "name": policy.name,
        "uid": policy.uid, "controller": True, "blockOwnerDeletion": False,
    }  # fmt: skip


def is_owned_by(job: Mapping[str, Any], policy: PolicyKey) -> bool:
    """Tell whether a Job belongs to a policy."""
    owners = job["metadata"].get("ownerReferences") or []
    return any(one["uid"] == policy.uid for one in owners)


def outcome_of(job: Mapping[str, Any] | None, pods: Sequence[Mapping[str, Any]]) -> JobOutcome:
    """Return what became of a Job.

    A problem that keeps its pod from starting is named at once, but the Job goes on: a registry may
    come back, and a second Job beside this one must not be started before its deadline ended it.
    """
    if job is None:
        return JobOutcome(JobState.MISSING, "JobMissing", "the Job is gone")
    ended = _end_of(job)
    if ended is None:
        return _waiting_reason(pods) or JobOutcome(JobState.RUNNING, "JobRunning")
    if ended["type"] == "Failed":
        return _failure(ended, pods)
    return JobOutcome(JobState.SUCCEEDED)


def decision_number(job: Mapping[str, Any]) -> int:
    """Return the decision that a Job belongs to, 0 when its label is strange."""
    return _label(job, DECISION_LABEL)


def attempt_number(job: Mapping[str, Any]) -> int:
    """Return the attempt that a Job is, 0 when its label is strange."""
    return _label(job, ATTEMPT_LABEL)


def newest(jobs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the Job of the newest attempt, None without Jobs."""
    return max(jobs, key=lambda one: (decision_number(one), attempt_number(one)), default=None)


def created_at(job: Mapping[str, Any]) -> float:
    """Return when a Job was created, seconds since the epoch."""
    return datetime.fromisoformat(job["metadata"]["creationTimestamp"]).timestamp()


def ended_at(job: Mapping[str, Any]) -> float | None:
    """Return when a Job ended, seconds since the epoch; None while it goes on."""
    ended = _end_of(job)
    if ended is None:
        return None
    # The time may be missing where a hand, and not the Job's controller, wrote the condition.
    at = ended.get("lastTransitionTime") or job["metadata"]["creationTimestamp"]
    return datetime.fromisoformat(at).timestamp()


def _label(job: Mapping[str, Any], name: str) -> int:
    text = (job["metadata"].get("labels") or {}).get(name, "0")
    return int(text) if _NUMBER.fullmatch(text) else 0


#: Not FailureTarget: the pods of such a Job may still run.
_ENDED: Final = {"Complete", "SuccessCriteriaMet", "Failed"}


def _end_of(job: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the condition that says that a Job ended."""
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition["status"] == "True" and condition["type"] in _ENDED:
            found: Mapping[str, Any] = condition
            return found
    return None


def _failure(condition: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]) -> JobOutcome:
    for pod in pods:
        for status in (pod.get("status") or {}).get("containerStatuses") or []:
            ended = (status.get("state") or {}).get("terminated")
            if not ended:
                continue
            if ended.get("exitCode") == EXIT_DATA_QUALITY:
                return JobOutcome(
                    JobState.FAILED, "DataQualityFailed", "exit code 42", retry_is_useless=True
                )
            if ended.get("exitCode") == EXIT_USAGE:
                text = "exit code 2: the Job refuses its arguments or settings"
                return JobOutcome(JobState.FAILED, "UsageError", text, retry_is_useless=True)
            if ended.get("reason") == "OOMKilled":
                return JobOutcome(JobState.FAILED, "OOMKilled", "raise the Job's memory limit")
    reason = condition.get("reason") or "JobFailed"
    return JobOutcome(JobState.FAILED, reason, condition.get("message") or "")


#: Why a container does not start, and the word for people; the kubelet alternates between some.
_HINDRANCES: Final = {
    "ErrImagePull": "ImagePullFailed",
    "ErrImageNeverPull": "ImagePullFailed",
    "ImagePullBackOff": "ImagePullFailed",
    "InvalidImageName": "InvalidImageName",
    "CreateContainerConfigError": "CreateContainerConfigError",
    "CreateContainerError": "CreateContainerError",
}


def _waiting_reason(pods: Sequence[Mapping[str, Any]]) -> JobOutcome | None:
    """Return what keeps a Job's pod from running."""
    for pod in pods:
        status = pod.get("status") or {}
        for one in status.get("containerStatuses") or []:
            waiting = (one.get("state") or {}).get("waiting") or {}
            word = _HINDRANCES.get(waiting.get("reason", ""))
            if word is not None:
                return JobOutcome(JobState.RUNNING, word, str(waiting.get("message", ""))[:300])
        for condition in status.get("conditions") or []:
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                text = str(condition.get("message", ""))[:300]
                return JobOutcome(JobState.RUNNING, "Unschedulable", text)
    return None
