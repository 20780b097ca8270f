"""Looking at a run: what cluster and registry know of it."""

from dataclasses import replace
from datetime import UTC, datetime

from taxi_domain.models import Alias
from taxi_domain.runs import RunResult
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.core import jobs
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.core.services import TargetMissingError
from taxi_operator.memory.obligations import OpenPromotion, promotion_of, promotion_on
from taxi_operator.memory.run import HELD, Run, RunState
from taxi_operator.plan.seen import NextRun, Object, SeenRun
from taxi_operator.spec.ownership import Target
from taxi_operator.spec.policy import LIMIT_SECONDS, Policy
from taxi_store.registry.entries import AliasEntry, UnreadableEntryError
from taxi_store.registry.registry_async import AsyncRegistry


class RunFacts:
    """Reads what the next step of a run follows from, and no more than that.

    Args:
        cluster: The API server.
        registry: Reports, versions and aliases.
        instance: The release whose CronJobs are ours; empty when all of the namespace are.
    """

    def __init__(self, cluster: Cluster, registry: AsyncRegistry, instance: str = "") -> None:
        self._cluster = cluster
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
            return await self.of_promotion(promotion, now)
        return await self._of_run(policy, key, run, now)

    async def _of_run(self, policy: Policy, key: PolicyKey, run: Run, now: float) -> SeenRun:
        seen = SeenRun(now)
        if run.state is RunState.STARTING and policy.retrain is not None:
            template = await self._template_of(run, policy.retrain.cron_job)
            return replace(seen, cron_job=template)
        if run.state not in HELD | {RunState.RUNNING}:
            return seen
        job = await self._cluster.job(run.job_name)
        pods = await self._cluster.pods({"batch.kubernetes.io/job-name": run.job_name})
        seen = replace(seen, job=job, pods=tuple(pods))
        # After the Job: what one that has ended wrote is there by now.
        try:
            report = await self._registry.run(jobs.run_id(key.uid, run.number, run.attempt))
        except UnreadableEntryError as error:
            return replace(seen, unreadable=str(error))
        if report is None or report.result is not RunResult.BETTER:
            return replace(seen, report=report)
        service = await self._cluster.service(policy.service)
        deployment = await self._cluster.deployment(policy.deployment)
        return replace(
            seen, report=report, promotion=promotion_on(service, now), deployment=deployment
        )

    async def _template_of(self, run: Run, present: str) -> Object:
        """Return the CronJob that a run began with; the policy's present one where it is gone."""
        try:
            return await self.template(run.cron_job or present)
        except TargetMissingError:
            if run.cron_job in {None, present}:
                raise
            return await self.template(present)

    async def template(self, name: str) -> Object:
        """Return the CronJob that retrain Jobs are made from.

        Raises:
            TargetMissingError: there is none, or it is no template of ours.
        """
        found = await self._cluster.cron_job(name)
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
