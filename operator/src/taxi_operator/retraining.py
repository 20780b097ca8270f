"""A retrain run, one step a tick; every step can be repeated after a crash."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.kube import MODEL_VERSION_ANNOTATION
from taxi_domain.models import Alias, ModelState
from taxi_domain.runs import RunResult
from taxi_operator import jobs
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.decisions import backoff_seconds
from taxi_operator.jobs import JobState, PolicyKey
from taxi_operator.policies import Policy, Retrain
from taxi_operator.settings import FaultPoint
from taxi_operator.statuses import Run, RunState, Status
from taxi_store.entries import AliasConflictError
from taxi_store.registry_async import AsyncRegistry
from taxi_store.runs import RunEntry

logger = logging.getLogger(__name__)

_BY: Final = "taxi-operator"
_OVER: Final = {RunResult.NOT_BETTER, RunResult.WORSE_IN_SLICE, RunResult.TOO_FEW_LABELS}


@dataclass(frozen=True, slots=True)
class Step:
    """What a step made of the status, and what people are told."""

    status: Status
    event: tuple[str, str] | None = None
    warning: bool = False
    adopted: bool = False


class Retraining:
    """Carries runs on."""

    def __init__(
        self,
        cluster: Cluster,
        registry: AsyncRegistry,
        die_at: Callable[[FaultPoint], None],
    ) -> None:
        self._cluster = cluster
        self._registry = registry
        self._die_at = die_at

    async def begin(self, policy: Policy, key: PolicyKey, status: Status, now: float) -> Status:
        """Return the status with the intent of a run; the caller writes it before `advance`."""
        champion = await self._registry.alias(policy.model, Alias.CHAMPION)
        run = Run(
            number=status.number,
            attempt=1,
            state=RunState.STARTING,
            job_name=jobs.job_name(key, status.number, 1),
            started_at=now,
            champion=champion.version if champion else None,
        )
        return replace(status, run=run, candidate=None)

    async def advance(self, policy: Policy, key: PolicyKey, status: Status, now: float) -> Step:
        """Do the next step of an open run.

        Raises:
            TaxiError: a system does not answer or refuses; the next tick tries again.
        """
        run = status.run
        assert run is not None
        if policy.retrain is None:
            return self._end(status, run, RunState.FAILED, "spec.retrain was removed", now)
        if run.state is RunState.STARTING:
            return await self._start(policy, policy.retrain, key, status, run)
        if run.state is RunState.BACKOFF:
            return self._after_backoff(key, status, run, now)
        if run.state is RunState.PROMOTING:
            return await self._finish_promotion(policy, status, run, now)
        return await self._look(policy, policy.retrain, key, status, run, now)

    async def _start(
        self, policy: Policy, retrain: Retrain, key: PolicyKey, status: Status, run: Run
    ) -> Step:
        self._die_at(FaultPoint.AFTER_INTENT)
        cron_job = await self._cluster.cron_job(retrain.cron_job)
        if cron_job is None:
            raise FieldError(
                "spec.retrain.jobFrom.cronJobName", f"there is no CronJob {retrain.cron_job}",
                "name the chart's suspended CronJob",
            )  # fmt: skip
        manifest = jobs.job_manifest(
            cron_job["spec"]["jobTemplate"], key, run.number, run.attempt, retrain, policy.gate
        )
        created = await self._cluster.create_job(manifest)
        if not created:
            await self._check_owner(run.job_name, key)
        self._die_at(FaultPoint.AFTER_JOB)
        status = replace(status, run=replace(run, state=RunState.RUNNING, message="JobRunning"))
        event = (
            ("RetrainStarted", f"decision {run.number}: Job {run.job_name}") if created else None
        )
        return Step(status, event, adopted=not created)

    async def _check_owner(self, name: str, key: PolicyKey) -> None:
        found = await self._cluster.job(name)
        owners = (found or {}).get("metadata", {}).get("ownerReferences") or []
        if found is not None and not any(one["uid"] == key.uid for one in owners):
            raise TaxiError(f"Job {name}: exists and belongs to somebody else; remove it")

    async def _look(
        self, policy: Policy, retrain: Retrain, key: PolicyKey, status: Status, run: Run, now: float
    ) -> Step:
        """Look at the report first: it tells the verdict even when the Job is gone."""
        report = await self._registry.run(jobs.run_id(key.uid, run.number, run.attempt))
        if report is not None and report.result is RunResult.BETTER:
            return await self._promote(policy, status, run, report, now)
        if report is not None and report.result in _OVER:
            status = replace(status, candidate=_candidate(report, "Refused"))
            return self._end(status, run, RunState.REFUSED, report.message, now)
        if report is not None and report.result is RunResult.DATA_QUALITY_FAILED:
            status = replace(status, candidate=_candidate(report, "Refused"))
            return self._end(status, run, RunState.FAILED, report.message, now)
        job = await self._cluster.job(run.job_name)
        pods = await self._cluster.pods({"batch.kubernetes.io/job-name": run.job_name})
        outcome = jobs.outcome_of(job, pods)
        if outcome.state is JobState.RUNNING:
            return Step(status)
        if outcome.state is JobState.SUCCEEDED:
            outcome = replace(outcome, reason="NoReport", message="the Job ended without a verdict")
        message = f"attempt {run.attempt}: {outcome.reason} {outcome.message}".strip()
        if outcome.retry_is_useless or run.attempt >= retrain.attempts:
            return self._end(status, run, RunState.FAILED, message, now)
        pause = backoff_seconds(
            run.attempt, retrain.initial_backoff, retrain.factor, retrain.max_backoff
        )
        waiting = replace(run, state=RunState.BACKOFF, next_attempt_at=now + pause, message=message)
        return Step(
            replace(status, run=waiting),
            ("RetrainAttemptFailed", f"{message}; again in {pause:.0f} s"),
            warning=True,
        )

    @staticmethod
    def _after_backoff(key: PolicyKey, status: Status, run: Run, now: float) -> Step:
        if run.next_attempt_at is not None and now < run.next_attempt_at:
            return Step(status)
        attempt = run.attempt + 1
        again = replace(
            run, attempt=attempt, state=RunState.STARTING, next_attempt_at=None,
            job_name=jobs.job_name(key, run.number, attempt),
        )  # fmt: skip
        return Step(replace(status, run=again))

    async def _promote(
        self, policy: Policy, status: Status, run: Run, report: RunEntry, now: float
    ) -> Step:
        """Move the alias; a repeat finds it moved already."""
        version = report.candidate
        if version is None or report.champion is None:
            raise TaxiError(f"run {report.run_id}: reports Better without a candidate")
        try:
            await self._registry.move_alias(
                policy.model, Alias.CHAMPION, to=version, expected=report.champion, by=_BY,
                now=datetime.fromtimestamp(now, UTC),
            )  # fmt: skip
        except AliasConflictError as conflict:
            if conflict.actual != version:
                status = replace(status, candidate=_candidate(report, "Refused"))
                return self._end(status, run, RunState.REFUSED, str(conflict), now)
        await self._registry.set_state(version, ModelState.ACCEPTED, reason=report.message)
        self._die_at(FaultPoint.AFTER_ALIAS)
        await self._cluster.annotate_pods(policy.deployment, {MODEL_VERSION_ANNOTATION: version})
        promoting = replace(
            run, state=RunState.PROMOTING, candidate=version, champion=report.champion,
            message=report.message,
        )  # fmt: skip
        return Step(
            replace(status, run=promoting, candidate=_candidate(report, "Promoting")),
            ("CandidateBetter", f"decision {run.number}: {version}: {report.message}"),
        )

    async def _finish_promotion(self, policy: Policy, status: Status, run: Run, now: float) -> Step:
        assert run.candidate is not None
        # Set again: whatever happened since, the pods follow the alias.
        await self._cluster.annotate_pods(
            policy.deployment, {MODEL_VERSION_ANNOTATION: run.candidate}
        )
        if not _rolled_out(await self._cluster.deployment(policy.deployment)):
            return Step(status)
        candidate = {**(status.candidate or {}), "state": "Promoted"}
        status = replace(status, candidate=candidate, reset_at=now).forgotten()
        return self._end(status, run, RunState.PROMOTED, run.message, now)

    @staticmethod
    def _end(status: Status, run: Run, state: RunState, message: str, now: float) -> Step:
        reasons = {
            RunState.PROMOTED: "CandidatePromoted",
            RunState.REFUSED: "CandidateRefused",
            RunState.FAILED: "RetrainFailed",
        }
        ended = replace(run, state=state, ended_at=now, next_attempt_at=None, message=message)
        return Step(
            replace(status, run=ended),
            (reasons[state], f"decision {run.number}: {message}"),
            warning=state is RunState.FAILED,
        )


def _candidate(report: RunEntry, state: str) -> dict[str, Any]:
    """Return what a status shows of a candidate: numbers as texts, errors in minutes."""
    numbers: Mapping[str, float] = report.numbers
    shown: dict[str, Any] = {"state": state, "verdict": str(report.result)}
    if report.candidate:
        shown["version"] = report.candidate
    if "gain" in numbers:
        shown["gain"] = f"{numbers['gain']:.4f}"
        shown["ci"] = [f"{numbers['ci_low']:.4f}", f"{numbers['ci_high']:.4f}"]
        shown["championRmseMinutes"] = f"{numbers['champion_rmse']:.3f}"
        shown["candidateRmseMinutes"] = f"{numbers['candidate_rmse']:.3f}"
    if "evaluated_rows" in numbers:
        shown["evaluatedRows"] = int(numbers["evaluated_rows"])
    shown["message"] = report.message
    return shown


def _rolled_out(deployment: Mapping[str, Any] | None) -> bool:
    """Tell whether all pods of a Deployment are of its newest template and ready."""
    if deployment is None:
        return False
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("readyReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
    )
