"""Promotions that no served policy carries on: to their end or back all the same."""

from collections.abc import Callable

from taxi_domain.logs import about
from taxi_domain.runs import decision_id
from taxi_operator.effects.executor import Executor, Write
from taxi_operator.facts.runs import RunFacts
from taxi_operator.locks import Locks
from taxi_operator.memory.obligations import OpenPromotion
from taxi_operator.memory.status import Status
from taxi_operator.plan.plan import Plan
from taxi_operator.plan.promotion import carried_on, is_ours
from taxi_operator.plan.seen import NOTHING_DONE


class Promotions:
    """Takes the next steps of promotions by themselves."""

    def __init__(
        self, facts: RunFacts, executor: Executor, clock: Callable[[], float], locks: Locks
    ) -> None:
        self._facts = facts
        self._executor = executor
        self._clock = clock
        self._locks = locks

    async def carry_on(self, promotion: OpenPromotion, status: Status, write: Write) -> Plan:
        """Take the next step of a promotion; another one where its effects show a loss.

        Args:
            promotion: What is promoted.
            status: Of its policy, or an empty one.
            write: Writes what is remembered of it, and tells people.

        Raises:
            TaxiError: a system does not answer or refuses; the next look tries again.
        """
        decision = decision_id(promotion.policy_uid, promotion.number)
        with about(policy=promotion.policy, decision=decision):
            return await self._carry_on(promotion, status, write)

    async def _carry_on(self, promotion: OpenPromotion, status: Status, write: Write) -> Plan:
        async with self._locks.of(promotion.service):
            done = NOTHING_DONE
            while True:
                seen = await self._facts.of_promotion(promotion, self._clock())
                plan = carried_on(promotion, status, seen, done)
                done = await self._executor.carry_out(plan, write)
                if not done.lost:
                    return plan
                status = plan.memory

    async def is_ours(self, promotion: OpenPromotion) -> bool:
        """Tell whether the registry knows of a promotion that only a Service speaks of."""
        return is_ours(promotion, await self._facts.alias(promotion.model))
