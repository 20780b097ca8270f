"""Carries out effects, each of which may have been carried out before."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, assert_never

from taxi_domain.errors import TaxiError
from taxi_domain.models import Alias
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.core import jobs
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
from taxi_operator.plan.seen import NOTHING_DONE, Done
from taxi_operator.settings import Failpoint
from taxi_operator.traffic import TrafficControl
from taxi_store.registry.entries import AliasConflictError, StateConflictError, UnknownVersionError
from taxi_store.registry.registry_async import AsyncRegistry

#: Writes the memory of a step, and tells people.
Write = Callable[[Plan], Awaitable[None]]

_BY: Final = "taxi-operator"
_BEFORE: Final[Mapping[type[Effect], Failpoint]] = {
    CreateJob: Failpoint.AFTER_INTENT,
    Select: Failpoint.AFTER_INTENT,
}
_AFTER: Final[Mapping[type[Effect], Failpoint]] = {
    CreateJob: Failpoint.AFTER_JOB,
    AnnotateService: Failpoint.BEFORE_ALIAS,
    SetState: Failpoint.AFTER_ALIAS,
}


class Executor:
    """Carries out effects on cluster and registry.

    Args:
        cluster: The API server.
        registry: Versions and aliases.
        traffic: Selectors of Services.
        failpoint: Called where a test may let the operator die.
    """

    def __init__(
        self,
        cluster: Cluster,
        registry: AsyncRegistry,
        traffic: TrafficControl,
        failpoint: Callable[[Failpoint], None],
    ) -> None:
        self._cluster = cluster
        self._registry = registry
        self._traffic = traffic
        self._failpoint = failpoint

    async def carry_out(self, plan: Plan, write: Write) -> Done:
        """Carry out a step; return what became of the effects that its memory is the intent of.

        Args:
            plan: The step.
            write: Writes its memory, and tells people.

        Raises:
            TaxiError: a system does not answer or refuses; the next reconcile tries again.
        """
        if plan.problem is not None:
            raise plan.problem
        await self._first(plan)
        await write(plan)
        return await self._then(plan)

    async def _first(self, plan: Plan) -> None:
        for effect in plan.first:
            if isinstance(effect, SetState):
                with suppress(UnknownVersionError):  # it was removed meanwhile
                    await self._one(effect)
            else:
                await self._one(effect)

    async def _then(self, plan: Plan) -> Done:
        created = None
        for effect in plan.then:
            self._die_at(_BEFORE, effect)
            try:
                created = await self._one(effect)
            except (UnknownVersionError, StateConflictError) as error:
                return Done(lost=str(error))
            except AliasConflictError:
                return NOTHING_DONE  # the next look sees where it points
            self._die_at(_AFTER, effect)
        return Done(created=created)

    def _die_at(self, points: Mapping[type[Effect], Failpoint], effect: Effect) -> None:
        point = points.get(type(effect))
        if point is not None:
            self._failpoint(point)

    async def _one(self, effect: Effect) -> bool | None:
        match effect:
            case CreateJob():
                return await self._create(effect)
            case EndJob():
                await self._end(effect)
            case MoveAlias():
                await self._move(effect)
            case SetState():
                # A mark that the garbage collection set meanwhile goes again: it looks at aliases.
                with suppress(StateConflictError):
                    await self._registry.set_state(
                        effect.version, effect.state, reason=effect.reason
                    )
            case AnnotatePods():
                await self._cluster.annotate_pods(effect.deployment, effect.annotations)
            case AnnotateService():
                await self._cluster.annotate_service(effect.service, effect.annotations)
            case Select():
                service = await self._traffic.service(effect.service)
                await self._traffic.assert_selector(service, effect.traffic)
            case _:
                assert_never(effect)
        return None

    async def _create(self, effect: CreateJob) -> bool:
        created = await self._cluster.create_job(dict(effect.manifest))
        if not created:
            name = effect.manifest["metadata"]["name"]
            found = await self._cluster.job(name)
            if found is not None and not jobs.is_owned_by(found, effect.policy):
                raise TaxiError(f"Job {name}: exists and belongs to somebody else; remove it")
        return created

    async def _end(self, effect: EndJob) -> None:
        # The name comes from a status: another's Job of this name is left alone.
        found = await self._cluster.job(effect.job)
        if found is not None and jobs.is_owned_by(found, effect.policy):
            await self._cluster.end_job(effect.job)

    async def _move(self, effect: MoveAlias) -> None:
        try:
            await self._registry.move_alias(
                effect.model, Alias.CHAMPION, to=effect.to, expected=effect.expected, by=_BY,
                now=datetime.fromtimestamp(self._cluster.clock(), UTC),
            )  # fmt: skip
        except (AliasConflictError, StateConflictError):
            found = await self._registry.alias(effect.model, Alias.CHAMPION)
            if found is None or found.version != effect.to:
                raise
