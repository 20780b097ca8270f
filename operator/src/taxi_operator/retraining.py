"""A retrain run, one step a reconcile; every step can be repeated after a crash."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.models import Alias
from taxi_domain.runs import RunResult
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.core import jobs
from taxi_operator.core.decisions import backoff_seconds
from taxi_operator.core.jobs import JobOutcome, JobState, PolicyKey
from taxi_operator.memory.fields import CLOCK_SKEW_SECONDS
from taxi_operator.memory.obligations import OpenPromotion, promotion_of
from taxi_operator.memory.status import Run, RunState, Status
from taxi_operator.memory.steps import Step, candidate_of, ended
from taxi_operator.promotion import Promotion
from taxi_operator.settings import Failpoint
from taxi_operator.spec.ownership import Target
from taxi_operator.spec.policy import Policy, Retrain
from taxi_store.registry.entries import UnreadableEntryError
from taxi_store.registry.registry_async import AsyncRegistry

_REFUSED: Final = {
    RunResult.NOT_BETTER, RunResult.WORSE_IN_SLICE, RunResult.SCHEMA_CHANGED,
    RunResult.TOO_FEW_LABELS,
}  # fmt: skip
_RUNNING: Final = "JobRunning"


class Retraining:
    """Carries runs on."""

    def __init__(
        self,
        cluster: Cluster,
        registry: AsyncRegistry,
        failpoint: Callable[[Failpoint], None],
    ) -> None:
        self._cluster = cluster
        self._registry = registry
        self._promotion = Promotion(cluster, registry, failpoint)
        self._failpoint = failpoint

    async def unused(self, policy: Policy, key: PolicyKey, number: int) -> int:
        """Return the first number from this one on that no report has.

        A lost status, whose Jobs are gone too, counts anew: an old verdict would be this run's.
        """
        assert policy.retrain is not None
        attempt = 1
        while attempt <= policy.retrain.attempts:
            if await self._has_report(jobs.run_id(key.uid, number, attempt)):
                number, attempt = number + 1, 1
            else:
                attempt += 1
        return number

    async def _has_report(self, run_id: str) -> bool:
        try:
            return await self._registry.run(run_id) is not None
        except UnreadableEntryError:
            return True

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
            model=policy.model,
            deployment=policy.deployment,
        )
        return replace(status, run=run, candidate=None)

    async def advance(self, policy: Policy, key: PolicyKey, status: Status, now: float) -> Step:
        """Do the next step of an open run.

        Raises:
            TaxiError: a system does not answer or refuses; the next reconcile tries again.
        """
        run = status.run
        assert run is not None
        target = Target(policy.service, policy.model, policy.deployment)
        promotion = promotion_of(run, key, target, now)
        if promotion is not None:
            return await self.finish(promotion, status, now)
        if run.model not in {None, policy.model}:
            message = f"spec.modelName is {policy.model} now, and the run was for {run.model}"
            return ended(status, run, RunState.FAILED, message, now)
        if policy.retrain is None:
            return ended(status, run, RunState.FAILED, "spec.retrain was removed", now)
        if run.state is RunState.STARTING:
            return await self._start(policy, policy.retrain, key, status, run)
        if run.state is RunState.BACKOFF:
            return self._after_backoff(policy.retrain, key, status, run, now)
        return await self._look(policy, policy.retrain, key, status, run, now)

    async def finish(self, promotion: OpenPromotion, status: Status, now: float) -> Step:
        """Do the next step of an open promotion, with its policy or without.

        Raises:
            TaxiError: a system does not answer or refuses; the next look tries again.
        """
        return await self._promotion.finish(promotion, status, now)

    async def is_ours(self, promotion: OpenPromotion) -> bool:
        """Tell whether the registry knows of a promotion that only a Service speaks of."""
        return await self._promotion.is_ours(promotion)

    async def _start(
        self, policy: Policy, retrain: Retrain, key: PolicyKey, status: Status, run: Run
    ) -> Step:
        self._failpoint(Failpoint.AFTER_INTENT)
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
        self._failpoint(Failpoint.AFTER_JOB)
        status = replace(status, run=replace(run, state=RunState.RUNNING, message=_RUNNING))
        event = (
            ("RetrainStarted", f"decision {run.number}: Job {run.job_name}") if created else None
        )
        return Step(status, event, already_existed=not created)

    async def _check_owner(self, name: str, key: PolicyKey) -> None:
        found = await self._cluster.job(name)
        if found is not None and not jobs.is_owned_by(found, key):
            raise TaxiError(f"Job {name}: exists and belongs to somebody else; remove it")

    async def _look(
        self, policy: Policy, retrain: Retrain, key: PolicyKey, status: Status, run: Run, now: float
    ) -> Step:
        """Look at the report first: it tells the verdict even when the Job is gone."""
        verdict = await self._verdict(policy, key, status, run, now)
        if verdict is not None:
            return verdict
        job = await self._cluster.job(run.job_name)
        pods = await self._cluster.pods({"batch.kubernetes.io/job-name": run.job_name})
        outcome = jobs.outcome_of(job, pods)
        if outcome.state is JobState.RUNNING:
            return _waiting(status, run, outcome)
        # The report may have been written, and the Job have ended, between the two looks.
        verdict = await self._verdict(policy, key, status, run, now)
        if verdict is not None:
            return verdict
        if outcome.state is JobState.SUCCEEDED:
            outcome = replace(outcome, reason="NoReport", message="the Job ended without a verdict")
        return self._failed(retrain, status, run, outcome, now)

    async def _verdict(
        self, policy: Policy, key: PolicyKey, status: Status, run: Run, now: float
    ) -> Step | None:
        """Return what follows from the report, None while there is no verdict."""
        try:
            report = await self._registry.run(jobs.run_id(key.uid, run.number, run.attempt))
        except UnreadableEntryError as error:
            # It stays as it is: a newer release's Job wrote it, and no later look reads it better.
            return ended(status, run, RunState.FAILED, str(error), now)
        if report is not None and report.result is RunResult.BETTER:
            return await self._promotion.begin(policy, key, status, run, report, now)
        if report is not None and report.result in _REFUSED:
            status = replace(status, candidate=candidate_of(report, "Refused"))
            return ended(status, run, RunState.REFUSED, report.message, now)
        if report is not None and report.result is RunResult.DATA_QUALITY_FAILED:
            status = replace(status, candidate=candidate_of(report, "Refused"))
            return ended(status, run, RunState.FAILED, report.message, now)
        return None

    @staticmethod
    def _failed(
        retrain: Retrain, status: Status, run: Run, outcome: JobOutcome, now: float
    ) -> Step:
        message = f"attempt {run.attempt}: {outcome.reason} {outcome.message}".strip()
        if outcome.retry_is_useless or run.attempt >= retrain.attempts:
            return ended(status, run, RunState.FAILED, message, now)
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
    def _after_backoff(
        retrain: Retrain, key: PolicyKey, status: Status, run: Run, now: float
    ) -> Step:
        # A pause that is longer than any of this policy was not written by it.
        longest = retrain.max_backoff + CLOCK_SKEW_SECONDS
        if run.next_attempt_at is not None and now < run.next_attempt_at <= now + longest:
            return Step(status)
        attempt = run.attempt + 1
        again = replace(
            run, attempt=attempt, state=RunState.STARTING, next_attempt_at=None,
            job_name=jobs.job_name(key, run.number, attempt),
        )  # fmt: skip
        return Step(replace(status, run=again))


def _waiting(status: Status, run: Run, outcome: JobOutcome) -> Step:
    """Name what keeps a Job from running, once for each reason."""
    if run.message.startswith(outcome.reason):
        return Step(status)
    text = f"{outcome.reason}: {outcome.message}" if outcome.message else outcome.reason
    hindered = outcome.reason != _RUNNING
    return Step(
        replace(status, run=replace(run, message=text)),
        ("RetrainBlocked", f"decision {run.number}: {text}") if hindered else None,
        warning=hindered,
    )
