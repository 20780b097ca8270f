"""One tick of one policy: observe, decide, write the intent, act, report."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from taxi_domain.errors import FieldError, NotAvailableError, TaxiError
from taxi_operator import conditions, jobs
from taxi_operator.adapters.cluster import ApiError, Cluster
from taxi_operator.adapters.prometheus import AmbiguousQueryError
from taxi_operator.conditions import READY, Finding
from taxi_operator.decisions import Action, Decision, Traffic, World, decide, recent
from taxi_operator.jobs import PolicyKey
from taxi_operator.metrics import Metrics
from taxi_operator.observation import Observation, observe
from taxi_operator.policies import Mode, Policy, policy_of
from taxi_operator.retraining import Retraining
from taxi_operator.settings import FaultPoint
from taxi_operator.signals import Reading
from taxi_operator.statuses import RunState, Status, document_of, status_of
from taxi_operator.times import seconds_since_epoch, text_of
from taxi_operator.traffic import RETAINED, TargetMissingError, TrafficControl

logger = logging.getLogger(__name__)

Object = Mapping[str, Any]

FINALIZER: Final = "taxi-monitoring.io/drift-operator"
_LONGEST_DELETION: Final = 60.0
_STEPS_A_TICK: Final = 4


class Conductor:
    """Ticks policies; holds nothing between ticks."""

    def __init__(
        self,
        cluster: Cluster,
        retraining: Retraining,
        metrics: Metrics,
        clock: Callable[[], float],
        die_at: Callable[[FaultPoint], None],
    ) -> None:
        self._cluster = cluster
        self._retraining = retraining
        self._traffic = TrafficControl(cluster)
        self._metrics = metrics
        self._clock = clock
        self._die_at = die_at
        # The keeper must not act on a status from before a swap that is under way.
        self._moving = asyncio.Lock()

    async def tick(self, name: str) -> float:
        """Evaluate one policy; return the seconds until it wants to be evaluated again."""
        found = await self._cluster.policy(name)
        if found is None:
            self._metrics.forget(name)
            return 30.0
        before = status_of(found.get("status"))
        if found["metadata"].get("deletionTimestamp"):
            await self._delete(found, before)
            return 2.0
        try:
            policy = policy_of(found["spec"])
        except FieldError as error:
            await self._report(
                found, before, (), Finding(READY, "False", "InvalidSpec", str(error))
            )
            return 30.0
        status = before
        problem: Finding | None = None
        readings: tuple[Reading, ...] = ()
        exhausted = False
        try:
            observation = await observe(policy, before)
            readings = observation.readings
            status = before.read(readings)
            self._measure(name, readings)
            status, exhausted = await self._act(found, policy, status, observation)
            if status.reset_at != before.reset_at:
                readings = ()  # they spoke of the model before
        except TaxiError as error:
            problem = self._problem_of(error)
        if problem is not None:
            # What was written while acting is the truth, not what this tick began with.
            newest = await self._cluster.policy(name) or found
            status = status_of(newest.get("status"))
            status = status.read(readings) if readings else status
        await self._report(found, status, readings, problem, budget_exhausted=exhausted)
        self._metrics.ticks.labels(name, "ok" if problem is None else "error").inc()
        return policy.interval_seconds

    def _problem_of(self, error: TaxiError) -> Finding:
        """Return the condition that an error is shown as; the next tick tries again."""
        reason = "Blocked"
        if isinstance(error, AmbiguousQueryError):
            reason = "AmbiguousQuery"
        elif isinstance(error, ApiError):
            self._metrics.api_errors.labels("kubernetes").inc()
            reason = error.reason or "ApiError"
        elif isinstance(error, NotAvailableError):
            self._metrics.api_errors.labels("store").inc()
            reason = "NotAvailable"
        elif isinstance(error, TargetMissingError):
            reason = "TargetMissing"
        return Finding(READY, "False", reason, str(error))

    async def keep_selectors(self) -> None:
        """Give every active Service the selector that its policy wants, or the champion's."""
        async with self._moving:
            await self._keep_selectors()

    async def _keep_selectors(self) -> None:
        wanted = {}
        for found in await self._cluster.policies():
            target = (found.get("spec") or {}).get("target") or {}
            if found.get("status") and not found["metadata"].get("deletionTimestamp"):
                wanted[target.get("activeServiceName")] = status_of(found["status"]).traffic
        for service in await self._traffic.services():
            name = service["metadata"]["name"]
            goal = wanted.get(name) or await self._traffic.wanted_without_policy(service)
            changed = await self._traffic.assert_selector(service, goal)
            if changed is not None:
                logger.info("selector is set", extra={"service": name, "traffic": str(changed)})
            active = wanted.get(name, Traffic.CHAMPION)
            for one in Traffic:
                value = float(one is active)
                self._metrics.traffic.labels(name, str(one).lower()).set(value)

    async def _act(
        self, found: Object, policy: Policy, status: Status, observation: Observation
    ) -> tuple[Status, bool]:
        key = PolicyKey(found["metadata"]["name"], found["metadata"]["uid"])
        now = self._clock()
        problem: TaxiError | None = None
        if status.run is not None and status.run.is_open and policy.mode is Mode.ENFORCE:
            try:
                status = await self._carry_on(found, policy, key, status, observation)
            except TaxiError as error:
                problem = error  # the run waits; the traffic must not
        own_jobs = await self._cluster.jobs(key.uid)
        world = await self._world(policy, status, own_jobs, now)
        status = self._with_budget(policy, status, world)
        # Signals of before a promotion of this very tick decide nothing.
        fresh = (
            status.reset_at is None
            or observation.now is None
            or (observation.now >= status.reset_at)
        )
        decision = decide(policy, observation.readings if fresh else (), world)
        if decision.action is not Action.NONE:
            status = await self._carry_out(found, policy, status, observation, decision, own_jobs)
        if problem is not None:
            raise problem
        return status, decision.budget_exhausted

    async def _carry_out(
        self,
        found: Object,
        policy: Policy,
        status: Status,
        observation: Observation,
        decision: Decision,
        own_jobs: Sequence[Object],
    ) -> Status:
        """Write a decision down, then do it."""
        if policy.mode is Mode.DRY_RUN:
            return await self._dry(found, status, decision)
        key, now = PolicyKey(found["metadata"]["name"], found["metadata"]["uid"]), self._clock()
        number = max([status.number, *map(jobs.decision_number, own_jobs)]) + 1
        status = status.decided(number, decision.action, decision.because, now)
        self._metrics.decisions.labels(key.name, str(decision.action)).inc()
        await self._tell(
            found, str(decision.action) + "Decided",
            f"decision {number}: because of {', '.join(decision.because) or decision.reason}",
        )  # fmt: skip
        if decision.action is Action.RETRAIN:
            status = await self._retraining.begin(policy, key, status, now)
            await self._write(found, status)
            return await self._carry_on(found, policy, key, status, observation)
        return await self._swap(found, policy, status, decision.action, now)

    async def _carry_on(
        self,
        found: Object,
        policy: Policy,
        key: PolicyKey,
        status: Status,
        observation: Observation,
    ) -> Status:
        """Advance the run until a step changes nothing; each change is written at once."""
        for _ in range(_STEPS_A_TICK):
            assert status.run is not None
            if not status.run.is_open:
                break
            step = await self._retraining.advance(policy, key, status, self._clock())
            if step.adopted:
                self._metrics.duplicates_prevented.labels(key.name).inc()
            if step.status == status:
                break
            status = step.status
            if status.run is not None and status.run.state is RunState.PROMOTED:
                # Prometheus' clock, since ranges are cut by it.
                status = replace(status, reset_at=observation.now or status.reset_at)
            await self._write(found, status)
            if step.event is not None:
                await self._tell(found, *step.event, warning=step.warning)
        return status

    async def _swap(
        self, found: Object, policy: Policy, status: Status, action: Action, now: float
    ) -> Status:
        """Move the traffic: intent, selector, then wait until all endpoints have switched."""
        to_fallback = action is Action.FALLBACK
        target = Traffic.FALLBACK if to_fallback else Traffic.CHAMPION
        deployment = policy.deployment
        if to_fallback and policy.fallback is not None:
            deployment = policy.fallback.deployment
            await self._cluster.apply_finalizers(found["metadata"]["name"], [FINALIZER])
        status = replace(status, traffic=target, traffic_since=now, last_swap_seconds=None)
        async with self._moving:
            await self._write(found, status)
            self._die_at(FaultPoint.AFTER_INTENT)
            service = await self._cluster.service(policy.service)
            if service is None:
                raise TargetMissingError(f"Service {policy.service}: is not there")
            await self._traffic.assert_selector(service, target)
        seconds = await self._traffic.wait_switched(policy.service, deployment)
        self._metrics.swap_seconds.labels(policy.service).set(seconds)
        if not to_fallback:
            await self._cluster.apply_finalizers(found["metadata"]["name"], [])
        reason = "FallbackActivated" if to_fallback else "ChampionRestored"
        await self._tell(
            found,
            reason,
            f"decision {status.number}: {policy.service} switched in {seconds:.1f} s",
            warning=to_fallback,
        )
        return replace(status, last_swap_seconds=seconds)

    async def _dry(self, found: Object, status: Status, decision: Decision) -> Status:
        """Write down what would have been done, once for each change of mind."""
        shown = {"action": f"DryRun{decision.action}", "because": list(decision.because)}
        last = status.decision or {}
        if (
            last.get("action") == shown["action"]
            and list(last.get("because", [])) == shown["because"]
        ):
            return status
        entry = {
            "id": f"{status.number:04d}", "number": status.number, **shown,
            "at": text_of(self._clock()),
        }  # fmt: skip
        await self._tell(found, "DryRun", f"would {decision.action} because of {decision.because}")
        return replace(status, decision=entry)

    async def _world(
        self, policy: Policy, status: Status, own_jobs: Sequence[Object], now: float
    ) -> World:
        starts: dict[int, float] = {}
        for job in own_jobs:
            number, created = jobs.decision_number(job), jobs.created_at(job)
            starts[number] = min(created, starts.get(number, created))
        run = status.run
        if run is not None:
            starts.setdefault(run.number, run.started_at)
        fallback = policy.fallback
        return World(
            now=now,
            traffic=status.traffic,
            traffic_since=status.traffic_since,
            champion_ready=await self._traffic.ready_pods(policy.deployment),
            fallback_ready=await self._traffic.ready_pods(fallback.deployment) if fallback else 0,
            run_open=bool(run and run.is_open),
            last_run_ended_at=run.ended_at if run else None,
            last_run_succeeded=bool(run and run.state is RunState.PROMOTED),
            run_starts=tuple(starts.values()),
        )

    @staticmethod
    def _with_budget(policy: Policy, status: Status, world: World) -> Status:
        if policy.retrain is None:
            return status
        starts = recent(world.run_starts, world.now, policy.retrain.window_seconds)
        budget = {"runsInWindow": len(starts), "maxRuns": policy.retrain.max_runs}
        return replace(status, budget=budget)

    async def _delete(self, found: Object, status: Status) -> None:
        """Let a deleted policy go: the traffic returns first where that is wanted and possible."""
        metadata = found["metadata"]
        if FINALIZER not in (metadata.get("finalizers") or []):
            return
        name, spec = metadata["name"], found["spec"]
        restore = spec.get("deletionPolicy", "Restore") == "Restore"
        if status.traffic is Traffic.FALLBACK and not restore:
            await self._retain(spec["target"]["activeServiceName"])
        waited = self._clock() - (seconds_since_epoch(metadata["deletionTimestamp"]) or 0.0)
        if status.traffic is Traffic.FALLBACK and restore:
            deployment, service_name = (
                spec["target"]["deploymentName"], spec["target"]["activeServiceName"],
            )  # fmt: skip
            service = await self._cluster.service(service_name)
            if await self._traffic.ready_pods(deployment) and service is not None:
                await self._traffic.assert_selector(service, Traffic.CHAMPION)
                await self._tell(found, "ChampionRestored", "the policy was deleted")
            elif waited < _LONGEST_DELETION:
                return
            else:
                await self._tell(
                    found, "FallbackStays", "the policy was deleted and the champion is not ready",
                    warning=True,
                )  # fmt: skip
        await self._cluster.apply_finalizers(name, [])

    async def _retain(self, service: str) -> None:
        """Note on the Service that its traffic stays, since no policy will say so any more."""
        found = await self._cluster.service(service)
        selector = ((found or {}).get("spec") or {}).get("selector")
        if selector:
            await self._cluster.select_pods(service, selector, {RETAINED: "true"})

    async def _report(
        self,
        found: Object,
        status: Status,
        readings: Sequence[Reading],
        problem: Finding | None,
        *,
        budget_exhausted: bool = False,
    ) -> None:
        """Write the status with its conditions, and tell people of transitions."""
        new = conditions.findings(
            status, readings, problem=problem, budget_exhausted=budget_exhausted
        )
        before = (found.get("status") or {}).get("conditions") or []
        generation = found["metadata"]["generation"]
        merged = conditions.merged(before, new, generation, self._clock())
        await self._write(found, replace(status, conditions=merged))
        for one in conditions.transitions(before, new):
            if one.kind in {conditions.DRIFT, conditions.METRICS, READY, conditions.BUDGET}:
                bad = (
                    one.status == "False"
                    if one.kind in {READY, conditions.METRICS}
                    else (one.status == "True")
                )
                await self._tell(
                    found, f"{one.kind}{one.status}", one.message or one.reason, warning=bad
                )

    async def _write(self, found: Object, status: Status) -> None:
        document = document_of(status, found["metadata"]["generation"])
        if document == (found.get("status") or {}):
            return
        await self._cluster.apply_status(found["metadata"]["name"], document)

    async def _tell(
        self, found: Object, reason: str, message: str, *, warning: bool = False
    ) -> None:
        """Post an Event; that it cannot be posted must not stop an action."""
        logger.info(message, extra={"policy": found["metadata"]["name"], "reason": reason})
        try:
            await self._cluster.event(found, reason, message, warning=warning)
        except (ApiError, NotAvailableError) as error:
            self._metrics.api_errors.labels("events").inc()
            logger.warning("event is not posted", extra={"problem": str(error)})

    def _measure(self, name: str, readings: Sequence[Reading]) -> None:
        for one in readings:
            self._metrics.signal_breached.labels(name, one.name).set(float(one.breached))
            if one.value is None:
                if (name, one.name) in self._metrics.signal_value._metrics:
                    self._metrics.signal_value.remove(name, one.name)
            else:
                self._metrics.signal_value.labels(name, one.name).set(one.value)
