"""Looking at a policy's world as a reconcile does, and asking the plan; nothing is carried out."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from taxi_domain.errors import TaxiError
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.adapters.servers import Servers
from taxi_operator.core.decisions import Facts
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.facts.runs import RunFacts
from taxi_operator.facts.target import TargetFacts
from taxi_operator.memory.status import Status
from taxi_operator.memory.status_document import status_of
from taxi_operator.observation import observe
from taxi_operator.plan.decision import facts_of, is_asked, next_number
from taxi_operator.plan.plan import Plan
from taxi_operator.plan.policy import PARTS, Part, remembered, request, rescue, run
from taxi_operator.plan.seen import NOTHING_DONE, NextRun, Seen
from taxi_operator.spec.orders import ROLLBACK
from taxi_operator.spec.ownership import enforces, holder_of, service_of
from taxi_operator.spec.policy import Mode, Policy
from taxi_operator.traffic import TrafficControl
from taxi_store.registry.registry_async import AsyncRegistry

Document = dict[str, Any]
Found = TypeVar("Found")

_NO_REGISTRY: Final = (
    "registry: its address is not known here (TAXI_MONGODB_URI), so verdicts, aliases and runs of "
    "other policies are not either"
)


@dataclass(frozen=True, slots=True)
class Systems:
    """The systems that are looked at; without a registry what it knows is not known."""

    cluster: Cluster
    servers: Servers
    registry: AsyncRegistry | None
    instance: str


@dataclass(slots=True)
class Sight:
    """A policy, its world, and what the plan says of it.

    Attributes:
        found: The policy as the API server, or a file, has it.
        policy: Its spec.
        status: What is remembered, with what is seen.
        seen: What is seen.
        facts: What a decision is made from; of a dry run, as it would be.
        steps: The first step of each part of the plan that has one now.
        holds: Why nothing is decided although something could be.
        unknown: What could not be seen, and why.
        holder: Another policy that claims the target, empty without one.
    """

    found: Document
    policy: Policy
    status: Status
    seen: Seen
    facts: Facts
    steps: Mapping[str, Plan] = field(default_factory=dict)
    holds: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    holder: str = ""


async def look(systems: Systems, found: Document, policy: Policy) -> Sight:
    """Look at everything that the plan depends on, and ask it; nothing is carried out.

    What cannot be seen is named, and the rest is looked at all the same.
    """
    return await _Look(systems, found, policy).sight()


class _Look:
    def __init__(self, systems: Systems, found: Document, policy: Policy) -> None:
        self._systems = systems
        self._found, self._policy = found, policy
        metadata = found["metadata"]
        self._key = PolicyKey(metadata["name"], metadata.get("uid") or "")
        self._now = systems.cluster.clock()
        self._status = status_of(found.get("status"), self._now)
        self._seen = Seen(self._now)
        self._unknown: list[str] = []
        self._steps: dict[str, Plan] = {}
        self._holds: tuple[str, ...] = ()
        # Without a registry nothing of it is asked.
        registry: Any = systems.registry
        self._runs = RunFacts(systems.cluster, registry, systems.instance)

    async def sight(self) -> Sight:
        cluster, policy = self._systems.cluster, self._policy
        others = await self._known("other policies", cluster.policies()) or []
        holder = self._holder(others)
        target = TargetFacts(cluster, TrafficControl(cluster, self._systems.instance))
        watches = not enforces(self._found) and any(
            enforces(one) and service_of(one) == policy.service for one in others
        )
        self._see(
            target=await self._known(
                "target",
                target.look(policy, self._status, self._now, only_watches=watches),
            )
        )
        await self._ask("rescue", rescue)
        observation = await observe(policy, self._status, self._systems.servers)
        self._see(readings=observation.readings, prometheus_now=observation.now)
        if self._key.uid:
            own = await self._known("Jobs", cluster.jobs(self._key.uid))
            self._see(jobs=None if own is None else tuple(own))
        else:
            self._see(jobs=())
        if policy.retrain is not None:
            template = await self._known("CronJob", self._runs.template(policy.retrain.cron_job))
            self._see(has_template=template is not None)
        for part in PARTS:
            await self._ask(part.__name__, part)
        known = remembered(policy, self._key, self._status, self._seen)
        if self._systems.registry is None:
            self._unknown.append(_NO_REGISTRY)
        facts = facts_of(policy, self._key, known, self._seen)
        if policy.mode is Mode.DRY_RUN and known.shadow is not None:
            facts = known.shadow.over(facts)
        return Sight(
            self._found, policy, known, self._seen, facts, self._steps, self._holds,
            tuple(dict.fromkeys(self._unknown)), holder,
        )  # fmt: skip

    def _holder(self, others: list[Document]) -> str:
        metadata = self._found["metadata"]
        named = {**self._found, "metadata": {**metadata, "uid": metadata.get("uid") or ""}}
        holder = holder_of(named, others)
        return str(holder["metadata"]["name"]) if holder is not None else ""

    def _see(self, **parts: Any) -> None:
        self._seen = replace(self._seen, **parts)

    async def _known(self, what: str, asked: Awaitable[Found]) -> Found | None:
        """Return what was asked for; None when it cannot be seen, which is told."""
        try:
            return await asked
        except TaxiError as error:
            self._unknown.append(f"{what}: {error}")
            return None

    async def _ask(self, name: str, part: Part) -> None:
        """Ask one part of the plan for its first step."""
        policy, key = self._policy, self._key
        known = remembered(policy, key, self._status, self._seen)
        one = known.run
        has_registry = self._systems.registry is not None
        if part is run and one is not None and one.is_open and has_registry:
            seen = await self._known("run", self._runs.look(policy, key, one, self._now))
            self._see(run=seen)
        if part is request and is_asked(policy, known, ROLLBACK) and has_registry:
            self._see(rollback=await self._known("rollback", self._runs.of_rollback(policy)))
        plan = part(policy, key, known, self._seen, NOTHING_DONE)
        if plan.asks_for_run:
            self._see(next_run=await self._next_run(known))
            known = remembered(policy, key, self._status, self._seen)
            plan = part(policy, key, known, self._seen, NOTHING_DONE)
        self._holds = plan.holds or self._holds
        if not plan.is_rest(known):
            self._steps[name] = plan

    async def _next_run(self, known: Status) -> NextRun:
        number = next_number(known, self._seen)
        if self._systems.registry is not None:
            asked = self._runs.next_run(self._policy, self._key, number, self._now)
            found = await self._known("runs of the model", asked)
            if found is not None:
                return found
        return NextRun(number, None)
