"""Looking at a run: what cluster and registry know of it."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from taxi_domain.models import Alias
from taxi_domain.runs import RunResult
from taxi_operator.adapters.reads import Reads
from taxi_operator.core import jobs
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.core.observation_jobs import observation_id
from taxi_operator.core.services import TargetMissingError
from taxi_operator.memory.obligations import OpenPromotion, promotion_of, promotion_on
from taxi_operator.memory.run import HELD, Run, RunState
from taxi_operator.plan.seen import NextRun, Object, SeenRollback, SeenRun
from taxi_operator.spec.ownership import Target
from taxi_operator.spec.policy import LIMIT_SECONDS, Policy
from taxi_store.registry.entries import AliasEntry, UnknownVersionError, UnreadableEntryError
from taxi_store.registry.registry_async import AsyncRegistry


class RunFacts:
    """Reads what the next step of a run follows from, and no more than that.

    Args:
        cluster: Where objects are looked at.
        registry: Reports, versions and aliases.
        instance: The release whose CronJobs are ours; empty when all of the namespace are.
        whole: Where a CronJob is read whole, to make a Job from it; None: in the same place.
    """

    def __init__(
        self,
        cluster: Reads,
        registry: AsyncRegistry,
        instance: str = "",
        whole: Reads | None = None,
    ) -> None:
        self._cluster = cluster
        self._whole = whole or cluster
        self._registry = registry
        self._instance = instance

    async def look(self, policy: Policy, key: PolicyKey, run: Run, now: float) -> SeenRun:
        """Return what is seen of an open run, or of its promotion.

        Raises:
            TaxiError: a system does not answer or refuses.
        """
        target = Target(policy.service, policy.model, policy.deployment)
        promotion = promotion_of(run, key, target, now)
        if promotion is not None:
            seen = await self.of_promotion(promotion, now)
            lost = await self._lost(run.champion) if run.observation is not None else ""
            return replace(seen, lost=lost)
        if run.state is RunState.OBSERVING:
            return await self._of_observation(policy, key, run, now)
        return await self._of_run(policy, key, run, now)

    async def _of_run(self, policy: Policy, key: PolicyKey, run: Run, now: float) -> SeenRun:
        seen = SeenRun(now)
        if run.state is RunState.STARTING and policy.retrain is not None:
            template = await self._template_of(run, policy.retrain.cron_job)
            return replace(seen, cron_job=template)
        if run.state not in HELD | {RunState.RUNNING}:
            return seen
        run_id = jobs.run_id(key.uid, run.number, run.attempt)
        seen = await self._with_report(seen, run.job_name, run_id)
        if seen.report is None or seen.report.result is not RunResult.BETTER:
            return seen
        lost = ""
        if run.observation_by(policy) is not None:
            lost = await self._lost(seen.report.champion)
        return replace(await self._with_target(seen, policy), lost=lost)

    async def _of_observation(
        self, policy: Policy, key: PolicyKey, run: Run, now: float
    ) -> SeenRun:
        """Return what is seen of an observation; its Job has a report of its own."""
        assert run.looks is not None
        seen = SeenRun(now, alias=await self.alias(run.model or policy.model))
        if run.looks.job_name is not None:
            look = observation_id(key.uid, run.number, run.looks.number)
            seen = await self._with_report(seen, run.looks.job_name, look)
            if seen.report is None or seen.report.result is not RunResult.WORSE:
                return seen
            seen = await self._with_target(seen, policy)
        elif now >= run.looks.at:
            seen = await self._with_template(seen, policy, run)
        else:
            return seen
        return replace(seen, lost=await self._lost(run.champion))

    async def _with_report(self, seen: SeenRun, job_name: str, run_id: str) -> SeenRun:
        """Return what is seen of a Job, and of its report, which is read after it.

        What a Job that has ended wrote is there by then.
        """
        job = await self._cluster.job(job_name)
        pods = await self._cluster.pods({"batch.kubernetes.io/job-name": job_name})
        seen = replace(seen, job=job, pods=tuple(pods))
        try:
            return replace(seen, report=await self._registry.run(run_id))
        except UnreadableEntryError as error:
            return replace(seen, unreadable=str(error))

    async def _with_target(self, seen: SeenRun, policy: Policy) -> SeenRun:
        """Return what is seen of that which a promotion would change."""
        service = await self._cluster.service(policy.service)
        deployment = await self._cluster.deployment(policy.deployment)
        return replace(seen, promotion=promotion_on(service, seen.now), deployment=deployment)

    async def _with_template(self, seen: SeenRun, policy: Policy, run: Run) -> SeenRun:
        """Return what is seen of the CronJob; that it is gone must not hold an observation."""
        present = policy.retrain.cron_job if policy.retrain else run.cron_job
        if present is None:
            return replace(seen, no_template="spec.retrain was removed")
        try:
            return replace(seen, cron_job=await self._template_of(run, present))
        except TargetMissingError as error:
            return replace(seen, no_template=str(error))

    async def _lost(self, version: str | None) -> str:
        """Return why there is no going back to a version, empty when there is."""
        try:
            if version is not None:
                await self._registry.get(version)
        except UnknownVersionError as error:
            return f"there is nothing to compare with, nor to go back to: {error}"
        return ""

    async def of_rollback(self, policy: Policy) -> SeenRollback:
        """Return what a rollback that is requested follows from.

        Raises:
            TaxiError: a system does not answer or refuses.
        """
        alias, before = await self.alias(policy.model), None
        if alias is not None and alias.previous is not None:
            with suppress(UnknownVersionError):
                before = await self._registry.get(alias.previous)
        return SeenRollback(alias, before, await self._cluster.deployment(policy.deployment))

    async def _template_of(self, run: Run, present: str) -> Object:
        """Return the CronJob that a run began with; the policy's present one where it is gone."""
        try:
            return await self._template(run.cron_job or present, self._whole)
        except TargetMissingError:
            if run.cron_job in {None, present}:
                raise
            return await self._template(present, self._whole)

    async def template(self, name: str) -> Object:
        """Return the CronJob that retrain Jobs are made from, as far as it is looked at.

        Raises:
            TargetMissingError: there is none, or it is no template of ours.
        """
        return await self._template(name, self._cluster)

    async def _template(self, name: str, reads: Reads) -> Object:
        found = await reads.cron_job(name)
        problem = jobs.template_problem(found, name, self._instance)
        if found is None or problem:
            raise TargetMissingError(problem)
        return found

    async def of_promotion(self, promotion: OpenPromotion, now: float) -> SeenRun:
        """Return what is seen of an open promotion.

        Raises:
            TaxiError: a system does not answer or refuses.
        """
        return SeenRun(
            now,
            alias=await self.alias(promotion.model),
            deployment=await self._cluster.deployment(promotion.deployment),
        )

    async def next_run(self, policy: Policy, key: PolicyKey, number: int, now: float) -> NextRun:
        """Return what a run that is about to start needs to know.

        Its number is the first one from `number` on that no report has: a lost status, whose Jobs
        are gone too, counts anew, and an old verdict would be this run's.

        Raises:
            TaxiError: the registry does not answer.
        """
        assert policy.retrain is not None
        attempt = 1
        while attempt <= policy.retrain.attempts:
            if await self._has_report(jobs.run_id(key.uid, number, attempt)):
                number, attempt = number + 1, 1
            else:
                attempt += 1
        champion = await self.alias(policy.model)
        longest = max(
            LIMIT_SECONDS, policy.retrain.pause_after_success, policy.retrain.pause_after_failure,
        )  # fmt: skip
        start = datetime.fromtimestamp(now - longest, UTC)
        of_model = await self._registry.runs_since(policy.model, start)
        return NextRun(number, champion.version if champion else None, tuple(of_model))

    async def alias(self, model: str) -> AliasEntry | None:
        """Return where a model's champion points."""
        return await self._registry.alias(model, Alias.CHAMPION)

    async def _has_report(self, run_id: str) -> bool:
        try:
            return await self._registry.run(run_id) is not None
        except UnreadableEntryError:
            return True
