"""Retrain runs: look, plan, carry out, one step at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

from taxi_operator.core import jobs
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.effects.executor import Executor
from taxi_operator.facts.runs import RunFacts
from taxi_operator.memory.obligations import OpenPromotion, promotion_of
from taxi_operator.memory.status import Run, RunState, Status
from taxi_operator.plan import promotion as promotions
from taxi_operator.plan.plan import Plan
from taxi_operator.plan.run import next_step
from taxi_operator.plan.seen import NOTHING_DONE, Done, SeenRun
from taxi_operator.spec.ownership import Target
from taxi_operator.spec.policy import Mode, Policy

#: Writes the memory of a plan, and tells people.
Write = Callable[[Plan], Awaitable[None]]


class Runs:
    """Takes the next steps of runs and promotions."""

    def __init__(self, facts: RunFacts, executor: Executor, clock: Callable[[], float]) -> None:
        self._facts = facts
        self._executor = executor
        self._clock = clock
        # A promotion whose policy is gone is carried on by another task, which must not take one
        # for ended while its alias is being moved.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def unused(self, policy: Policy, key: PolicyKey, number: int) -> int:
        """Return the first number from this one on that no report has.

        A lost status, whose Jobs are gone too, counts anew: an old verdict would be this run's.
        """
        assert policy.retrain is not None
        attempt = 1
        while attempt <= policy.retrain.attempts:
            if await self._facts.has_report(jobs.run_id(key.uid, number, attempt)):
                number, attempt = number + 1, 1
            else:
                attempt += 1
        return number

    async def first(self, policy: Policy, key: PolicyKey, number: int) -> Run:
        """Return a run that is about to start; it is written down before its first step."""
        champion = await self._facts.alias(policy.model)
        return Run(
            number=number,
            attempt=1,
            state=RunState.STARTING,
            job_name=jobs.job_name(key, number, 1),
            started_at=self._clock(),
            champion=champion.version if champion else None,
            model=policy.model,
            deployment=policy.deployment,
        )

    async def step(
        self, policy: Policy, key: PolicyKey, status: Status, done: Done, write: Write
    ) -> tuple[Plan, Done]:
        """Take the next step of an open run; return it, and what became of its effects.

        Raises:
            TaxiError: a system does not answer or refuses; the next reconcile tries again.
        """
        run = status.run
        assert run is not None
        target = Target(policy.service, policy.model, policy.deployment)
        promotion = promotion_of(run, key, target, self._clock())
        if promotion is not None:
            may_begin = policy.mode is Mode.ENFORCE
            return await self.promote(promotion, status, write, done, may_begin=may_begin)

        async def plan() -> Plan:
            seen = await self._facts.of_run(policy, key, run, self._clock())
            return next_step(policy, key, status, seen, done)

        return await self._take(policy.service, plan, write)

    async def promote(
        self,
        promotion: OpenPromotion,
        status: Status,
        write: Write,
        done: Done = NOTHING_DONE,
        *,
        may_begin: bool = False,
    ) -> tuple[Plan, Done]:
        """Take the next step of an open promotion, with its policy or without.

        Raises:
            TaxiError: a system does not answer or refuses; the next look tries again.
        """

        async def plan() -> Plan:
            seen: SeenRun = await self._facts.of_promotion(promotion, self._clock())
            return promotions.carried_on(promotion, status, seen, done, may_begin=may_begin)

        return await self._take(promotion.service, plan, write)

    async def is_ours(self, promotion: OpenPromotion) -> bool:
        """Tell whether the registry knows of a promotion that only a Service speaks of."""
        return promotions.is_ours(promotion, await self._facts.alias(promotion.model))

    async def _take(
        self, service: str, plan: Callable[[], Awaitable[Plan]], write: Write
    ) -> tuple[Plan, Done]:
        lock = self._locks.setdefault(service, asyncio.Lock())
        async with lock:
            step = await plan()
            if step.problem is not None:
                raise step.problem
            await self._executor.first(step)
            await write(step)
            return step, await self._executor.then(step)
