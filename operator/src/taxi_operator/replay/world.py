"""The world that a replayed policy acts on, in memory: what history does not tell is assumed.

A pod of champion and fallback is ready all the time; a switch of the Service is seen at the next
look; every train Job takes as long and ends as it was said; pods of a promoted version are ready
after some seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, assert_never

from taxi_domain.kube import OBSERVATION_LABEL
from taxi_domain.models import Alias
from taxi_domain.runs import RUN_ID_VARIABLE, RunResult
from taxi_operator.core import jobs
from taxi_operator.core.decisions import Traffic
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.core.observation_jobs import observation_id
from taxi_operator.core.readiness import Readiness
from taxi_operator.core.services import DEPLOYMENT_ANNOTATIONS
from taxi_operator.memory.obligations import promotion_of, promotion_on
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Status
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
from taxi_operator.plan.seen import Done, NextRun, SeenRun, SeenTarget
from taxi_operator.spec.ownership import Target
from taxi_operator.spec.policy import Policy
from taxi_operator.times import text_of
from taxi_store.registry.entries import AliasEntry
from taxi_store.registry.runs import ModelRun, RunEntry

Object = dict[str, Any]

#: The policy as its Jobs know it; no API server ever gave it a uid.
KEY: Final = PolicyKey("replayed", "00000000-0000-0000-0000-000000000000")
_FIRST: Final = "champion-0"
#: What the chart gives a Job that has ended, seconds.
_KEPT: Final = 86_400.0
_TEMPLATE: Final[Object] = {
    "metadata": {"name": "train"},
    "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "train"}]}}}}},
}


class Verdict(StrEnum):
    """How every simulated run ends."""

    BETTER = "better"
    NOT_BETTER = "not-better"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Assumed:
    """What history does not tell.

    Attributes:
        verdict: How every run ends.
        run_seconds: How long a Job takes.
        rollout_seconds: How long the pods of a promoted version take to be ready.
        ready_pods: Ready pods of the champion, and of the fallback.
    """

    verdict: Verdict = Verdict.BETTER
    run_seconds: float = 600.0
    rollout_seconds: float = 60.0
    ready_pods: int = 100


class World:
    """Service, Deployments, Jobs and registry of one policy.

    Args:
        policy: What acts on it.
        assumed: How it goes on.
        begin: When it begins, seconds since the epoch.
    """

    def __init__(self, policy: Policy, assumed: Assumed, begin: float) -> None:
        self._policy = policy
        self._assumed = assumed
        self._fallback = policy.fallback.deployment if policy.fallback else ""
        names = {Traffic.CHAMPION: policy.deployment, Traffic.FALLBACK: self._fallback}
        annotations = {DEPLOYMENT_ANNOTATIONS[one]: name for one, name in names.items() if name}
        self._service: Object = {
            "metadata": {"name": policy.service, "annotations": annotations}, "spec": {},
        }  # fmt: skip
        self._selected = Traffic.CHAMPION
        self._champion = Readiness(assumed.ready_pods, begin - _KEPT)
        self._ready = {
            Traffic.CHAMPION: assumed.ready_pods,
            Traffic.FALLBACK: assumed.ready_pods if self._fallback else 0,
        }
        self._alias = AliasEntry(
            policy.model, Alias.CHAMPION, _FIRST, None, 0, datetime.fromtimestamp(begin, UTC), ""
        )
        self._pods_have: Mapping[str, str] = {}
        self._rolled_at = begin - _KEPT
        self._generation = 1
        self._jobs: dict[str, Object] = {}
        self._reports: dict[str, RunEntry] = {}
        self._made = 0

    def target(self, status: Status) -> SeenTarget:
        """Return what is seen of Service and Deployments."""
        return SeenTarget(
            service=self._service, selected=self._selected, champion=self._champion,
            champion_missing=False, ready=self._ready,
            arrived=status.is_swapping and self._selected is status.traffic,
        )  # fmt: skip

    def jobs(self, now: float) -> tuple[Object, ...]:
        """Return the Jobs that are there: those that have ended are removed after a day."""
        for name, job in list(self._jobs.items()):
            self._look_at(job, now)
            ended_at = jobs.ended_at(job)
            if ended_at is not None and now - ended_at > _KEPT:
                del self._jobs[name]
        return tuple(one for one in self._jobs.values() if not _is_observation(one))

    def run(self, run: Run, now: float) -> SeenRun:
        """Return what is seen of an open run, or of its promotion."""
        policy, seen = self._policy, SeenRun(now, deployment=self._deployment(now))
        target = Target(policy.service, policy.model, policy.deployment)
        if promotion_of(run, KEY, target, now) is not None:
            return replace(seen, alias=self._alias)
        seen = replace(seen, promotion=promotion_on(self._service, now))
        if run.state is RunState.STARTING:
            return replace(seen, cron_job=_TEMPLATE)
        if run.looks is None:
            run_id = jobs.run_id(KEY.uid, run.number, run.attempt)
            return self._with_report(seen, run.job_name, run_id)
        seen = replace(seen, alias=self._alias, cron_job=_TEMPLATE)
        if run.looks.job_name is None:
            return seen
        look = observation_id(KEY.uid, run.number, run.looks.number)
        return self._with_report(seen, run.looks.job_name, look)

    def _with_report(self, seen: SeenRun, job_name: str, run_id: str) -> SeenRun:
        """Return what is seen of a Job, and of its report."""
        job = self._jobs.get(job_name)
        if job is not None:
            self._look_at(job, seen.now)
        return replace(seen, job=job, report=self._reports.get(run_id))

    def next_run(self, number: int) -> NextRun:
        """Return what a run that is about to start needs to know."""
        of_model = tuple(
            ModelRun(
                one.run_id, one.started_at, one.finished_at, one.result is RunResult.BETTER
            )
            for one in self._reports.values()
            if one.result is not RunResult.NOT_WORSE
        )  # fmt: skip
        return NextRun(number, self._alias.version, of_model)

    def carry_out(self, plan: Plan, now: float) -> Done:
        """Carry out the effects of a step; return what became of them."""
        for effect in plan.first:
            self._one(effect, now)
        created = None
        for effect in plan.then:
            created = self._one(effect, now)
        return Done(created=created)

    def _one(self, effect: Effect, now: float) -> bool | None:
        match effect:
            case CreateJob():
                return self._create(effect, now)
            case MoveAlias():
                self._alias = replace(
                    self._alias, version=effect.to, previous=self._alias.version,
                    revision=self._alias.revision + 1,
                )  # fmt: skip
            case AnnotatePods():
                if effect.annotations != self._pods_have:
                    self._pods_have, self._rolled_at = effect.annotations, now
                    self._generation += 1
            case AnnotateService():
                self._annotate(effect)
            case Select():
                self._selected = effect.traffic
            case SetState() | EndJob():
                pass  # nobody asks for the one, and nobody aborts a run
            case _:
                assert_never(effect)
        return None

    def _create(self, effect: CreateJob, now: float) -> bool:
        job = dict(effect.manifest)
        name = job["metadata"]["name"]
        if name in self._jobs:
            return False
        job["metadata"] = {**job["metadata"], "creationTimestamp": text_of(now)}
        self._jobs[name] = job
        return True

    def _annotate(self, effect: AnnotateService) -> None:
        metadata = self._service["metadata"]
        merged = {**metadata["annotations"], **effect.annotations}
        kept = {name: value for name, value in merged.items() if value is not None}
        self._service = {**self._service, "metadata": {**metadata, "annotations": kept}}

    def _look_at(self, job: Object, now: float) -> None:
        """Let a Job end when its time has come: its report is there by then."""
        if "status" in job:
            return
        created = jobs.created_at(job)
        deadline = float(job["spec"]["activeDeadlineSeconds"])
        is_late = self._assumed.run_seconds >= deadline
        ended_at = created + min(self._assumed.run_seconds, deadline)
        if now < ended_at:
            return
        fails = self._assumed.verdict is Verdict.FAILED and not _is_observation(job)
        condition = {
            "type": "Failed" if is_late or fails else "Complete", "status": "True",
            "reason": "DeadlineExceeded" if is_late else "Assumed" if fails else "",
            "lastTransitionTime": text_of(ended_at),
        }  # fmt: skip
        job["status"] = {"conditions": [condition]}
        if not (is_late or fails):
            self._report(job, created, ended_at)

    def _report(self, job: Object, began_at: float, ended_at: float) -> None:
        environment = job["spec"]["template"]["spec"]["containers"][0]["env"]
        (run_id,) = (one["value"] for one in environment if one["name"] == RUN_ID_VARIABLE)
        is_better = self._assumed.verdict is Verdict.BETTER
        result = RunResult.BETTER if is_better else RunResult.NOT_BETTER
        candidate: str | None = None
        if _is_observation(job):
            result = RunResult.NOT_WORSE
        else:
            self._made += 1
            candidate = f"candidate-{self._made}"
        self._reports[run_id] = RunEntry(
            run_id, "train", result, f"assumed to be {result}", candidate=candidate,
            champion=self._alias.version, started_at=datetime.fromtimestamp(began_at, UTC),
            finished_at=datetime.fromtimestamp(ended_at, UTC),
        )  # fmt: skip

    def _deployment(self, now: float) -> Object:
        """Return the champion's Deployment: one pod, which is new after a while."""
        ready = int(now - self._rolled_at >= self._assumed.rollout_seconds)
        return {
            "metadata": {"name": self._policy.deployment, "generation": self._generation},
            "spec": {
                "replicas": 1, "template": {"metadata": {"annotations": dict(self._pods_have)}},
            },
            "status": {
                "observedGeneration": self._generation, "replicas": 1, "updatedReplicas": ready,
                "readyReplicas": 1,
            },
        }  # fmt: skip


def _is_observation(job: Mapping[str, Any]) -> bool:
    return OBSERVATION_LABEL in job["metadata"]["labels"]
