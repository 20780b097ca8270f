"""One reconcile of one policy: observe, decide, write the intent, act, report."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from taxi_domain.errors import FieldError, NotAvailableError, TaxiError
from taxi_domain.metrics import (
    OPERATOR_API_ERRORS,
    OPERATOR_CHAMPION_UNAVAILABLE,
    OPERATOR_DUPLICATES_PREVENTED,
    OPERATOR_RESCUES,
    OPERATOR_SWITCH_SECONDS,
)
from taxi_operator.adapters.cluster import Cluster, PolicyChangedError
from taxi_operator.adapters.servers import Servers
from taxi_operator.adapters.view import View
from taxi_operator.claims import Claims
from taxi_operator.conditions import READY, Finding, Outcome
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.core.services import TargetMissingError
from taxi_operator.effects.executor import Executor
from taxi_operator.facts.looks import Looks
from taxi_operator.facts.run_queue import DEFAULT_MOST, RunQueue
from taxi_operator.locks import Locks
from taxi_operator.memory.obligations import promotion_of, recalled
from taxi_operator.memory.run import RunState
from taxi_operator.memory.status import Status
from taxi_operator.memory.status_document import status_of
from taxi_operator.metrics import Metrics
from taxi_operator.notify.outbox import Outbox
from taxi_operator.observation import observe
from taxi_operator.orphans import Orphans
from taxi_operator.pauses import pause_of
from taxi_operator.places import Places
from taxi_operator.plan.decision import is_asked, next_number
from taxi_operator.plan.effects import AnnotateService, CreateJob, Select
from taxi_operator.plan.plan import Plan, abandoned
from taxi_operator.plan.policy import PARTS, Part, decide, remembered, request, rescue, run
from taxi_operator.plan.rollback import not_followed
from taxi_operator.plan.seen import NOTHING_DONE, Done, Place, Seen
from taxi_operator.promotions import Promotions
from taxi_operator.reconcile_context import ReconcileContext, about_status, about_step
from taxi_operator.report_ends import ReportEnds
from taxi_operator.reporting import Reporter, defect_of
from taxi_operator.reports import Reports, ReportSource
from taxi_operator.selector_keeper import SelectorKeeper
from taxi_operator.settings import Failpoint
from taxi_operator.spec.orders import ROLLBACK
from taxi_operator.spec.ownership import service_of, target_of
from taxi_operator.spec.policy import Mode, Policy, policy_of
from taxi_store.registry.registry_async import AsyncRegistry

logger = logging.getLogger(__name__)

Document = dict[str, Any]

_STEPS_A_TICK: Final = 4
_LOOK_AGAIN: Final = 30.0
_DELETION_LOOK: Final = 2.0
_CHANGE_LOOK: Final = 1.0


class Reconciler:
    """Reconciles policies; holds nothing between reconciles."""

    def __init__(
        self,
        cluster: Cluster,
        registry: AsyncRegistry,
        metrics: Metrics,
        report_source: ReportSource,
        servers: Servers,
        places: Places,
        *,
        view: View | None = None,
        instance: str = "",
        max_runs: int = DEFAULT_MOST,
        outbox: Outbox | None = None,
        failpoint: Callable[[Failpoint], None] = lambda _point: None,
        executor: Callable[..., Executor] = Executor,
    ) -> None:
        self._cluster = cluster
        self._clock = cluster.clock
        self._metrics = metrics
        self._servers, self._places = servers, places
        self._locks = Locks()
        self._view = view
        direct = self._direct = Looks.of(cluster, cluster, registry, instance)
        viewed = self._viewed = Looks.of(view or cluster, cluster, registry, instance)
        self._claims = Claims(viewed.reads, viewed.traffic, cluster)
        self._outbox = outbox or Outbox(None, metrics, self._clock)
        self._queue = RunQueue(cluster, max_runs, instance)
        self._reporter = Reporter(cluster, metrics, self._clock, self._outbox)
        self._executor = executor(cluster, registry, direct.traffic, failpoint)
        self._promotions = Promotions(direct.runs, self._executor, self._clock, self._locks)
        self._selectors = SelectorKeeper(
            self._claims, viewed.traffic, self._reporter, self._locks, direct.traffic
        )
        self._orphans = Orphans(
            cluster, self._promotions, direct.traffic, self._reporter, viewed if view else None
        )
        self._reports = Reports(cluster, self._reporter, report_source, failpoint)
        self._report_ends = ReportEnds(cluster, self._reporter)

    async def reconcile(self, name: str) -> float:
        """Evaluate one policy; return the seconds until it wants to be evaluated again."""
        try:
            return await self._reconcile(name)
        except PolicyChangedError as change:
            # Every step can be repeated, and what it is to be is read anew.
            logger.info(
                "policy changed during its reconcile", extra={"policy": name, "how": str(change)}
            )
            if self._view is not None:
                self._view.doubt(name)
            return _CHANGE_LOOK

    async def _reconcile(self, name: str) -> float:
        found = await self._viewed.reads.policy(name)
        if found is None:
            self._metrics.forget(name)
            return _LOOK_AGAIN
        if service_of(found) in await self._viewed.traffic.foreign():
            return _LOOK_AGAIN
        status = status_of(found.get("status"), self._clock())
        if found["metadata"].get("deletionTimestamp"):
            # Somebody else's finalizer holds it. The selector loop brings the traffic back.
            await self._carry_on_promotion(found, status)
            return _DELETION_LOOK
        await self._reporter.heal(found, status)
        status = await self._reporter.begin(found, status)
        status = await self._reporter.note_deliveries(found, status)
        try:
            policy = policy_of(found.get("spec") or {}, found["metadata"]["namespace"])
        except FieldError as error:
            status = await self._carry_on_promotion(found, status)
            await self._refuse(found, status, "InvalidSpec", str(error))
            return _LOOK_AGAIN
        conflicting = await self._claims.conflicting_policy_of(found)
        if conflicting is not None:
            message = f"policy {conflicting} is older and has the same target or model; remove one"
            status = await self._carry_on_promotion(found, status.without_traffic())
            plan = abandoned(status, f"policy {conflicting} acts now", self._clock())
            status = await self._reporter.take(found, status, plan)
            await self._refuse(found, status, "TargetConflict", message)
            return policy.interval_seconds
        pause = policy.interval_seconds
        try:
            with about_status(found, status):
                pause = await self._serve(found, policy, status)
        except TaxiError:
            raise
        except Exception as error:
            problem = defect_of(name, error)
            status = status_of(found.get("status"), self._clock())
            await self._refuse(found, status, problem.reason, problem.message)
        return pause

    async def keep_selectors(self) -> None:
        """Give every active Service the selector that its policy wants, or the champion's."""
        await self._selectors.keep()

    async def keep_promotions(self) -> None:
        """Carry on the promotions whose policies are gone.

        Raises:
            TaxiError: one could not be carried on; the others were.
        """
        await self._orphans.carry_on()

    async def _carry_on_promotion(self, found: Document, status: Status) -> Status:
        """Carry on an open promotion of a policy that is not served; return its status."""
        target = target_of(found)
        if target is None:
            return status
        key = PolicyKey(found["metadata"]["name"], found["metadata"]["uid"])
        service = await self._viewed.reads.service(target.service)
        status = recalled(status, service, key.uid, self._clock())
        promotion = promotion_of(status.run, key, target, self._clock())
        if promotion is None:
            return status
        if self._view is not None:
            await self._claims.require_unchanged(found)

        async def write(plan: Plan) -> None:
            await self._reporter.take(found, status, plan)

        plan = await self._promotions.carry_on(promotion, status, write)
        return plan.memory

    async def _refuse(self, found: Document, status: Status, reason: str, message: str) -> None:
        # They would else act much later, on another champion than the one that was meant.
        status = not_followed(
            found.get("spec") or {}, status, f"the policy is not served ({reason})"
        )
        self._metrics.keep_signals(found["metadata"]["name"], ())
        # Nobody looks at the champion of a policy that is not served.
        self._metrics[OPERATOR_CHAMPION_UNAVAILABLE].remove_by_labels(
            {"policy": found["metadata"]["name"]}
        )
        problem = Finding(READY, "False", reason, message)
        await self._reporter.report(found, status, Outcome(problem=problem))

    async def _serve(self, found: Document, policy: Policy, status: Status) -> float:
        """Take the steps of a policy; return the pause until the next look.

        What an unavailable champion asks for comes before everything that needs Prometheus.
        """
        context = ReconcileContext(
            found, policy, status, Seen(self._clock()), is_sure=self._view is None
        )
        if policy.force is not None and (too_long := policy.force.problem(context.seen.now)):
            context.problems.append(self._reporter.problem_of(too_long))
        await self._guard(context, self._look_at_target)
        await self._guard(context, partial(self._take_steps, part=rescue))
        async with self._places.left():
            observation = await observe(policy, context.status, self._servers)
        context.see(readings=observation.readings, prometheus_now=observation.now)
        context.problems += [self._reporter.problem_of(one) for one in observation.bad_queries]
        if observation.refused is not None:
            context.problems.append(self._reporter.problem_of(observation.refused))
        if observation.problem:
            self._metrics[OPERATOR_API_ERRORS].labels("prometheus").inc()
        self._reporter.measure(found["metadata"]["name"], observation.readings)
        await self._guard(context, self._look_at_jobs)
        await self._guard(context, self._look_at_template)
        for part in PARTS:
            await self._guard(context, partial(self._take_steps, part=part))
        if context.status.run is not None and context.status.run.state is RunState.STARTING:
            await self._guard(context, partial(self._take_steps, part=run))
        await self._guard(context, self._reports.carry_on)
        await self._guard(context, self._report_ends.look)
        await self._reporter.report(found, context.status, context.outcome(observation.problem))
        return pause_of(context)

    async def _guard(
        self, context: ReconcileContext, stage: Callable[[ReconcileContext], Awaitable[None]]
    ) -> None:
        """Go through a stage of a reconcile; that it fails does not stop the others."""
        try:
            await stage(context)
        except PolicyChangedError:
            raise
        except TaxiError as error:
            context.problems.append(self._reporter.problem_of(error))
        except Exception as error:
            context.problems.append(defect_of(context.key.name, error))

    async def _look_at_target(self, context: ReconcileContext) -> None:
        """See what the policy acts on; without it nothing is decided."""
        policy, watches = context.policy, self._claims.only_watches(context.found)
        context.see(now=self._clock(), target=None)
        target = await self._look(context).target.look(
            policy, context.status, context.seen.now, only_watches=watches
        )
        context.see(target=target)
        if target.champion_missing:
            # The traffic may still go to the fallback.
            missing = TargetMissingError(f"Deployment {policy.deployment}: is not there")
            context.problems.append(self._reporter.problem_of(missing))
        self._metrics[OPERATOR_CHAMPION_UNAVAILABLE].labels(context.key.name).set(
            float(target.champion.unavailable(context.seen.now))
        )

    async def _look_at_jobs(self, context: ReconcileContext) -> None:
        context.see(jobs=tuple(await self._look(context).reads.jobs(context.key.uid)))

    async def _look_at_template(self, context: ReconcileContext) -> None:
        retrain = context.policy.retrain
        if retrain is None:
            return
        context.see(has_template=False)
        await self._look(context).runs.template(retrain.cron_job)
        context.see(has_template=True)

    async def _look_at_rollback(self, context: ReconcileContext) -> None:
        """See what a rollback follows from; without it the word waits, and says so."""
        context.see(rollback=None)
        context.see(rollback=await self._look(context).runs.of_rollback(context.policy))

    async def _take_steps(self, context: ReconcileContext, part: Part) -> None:
        """Take the steps of one part of the plan until it is at rest; each is written at once."""
        done = NOTHING_DONE
        for _ in range(_STEPS_A_TICK):
            async with self._locks.of(context.policy.service):
                known, plan = await self._plan(context, part, done)
                if not context.is_sure and (plan.note is not None or not plan.is_rest(known)):
                    await self._make_sure(context)
                    known, plan = await self._plan(context, part, done)
                context.holds = plan.holds or context.holds
                if plan.is_rest(known):
                    context.status = plan.memory
                    if plan.note is not None:
                        await self._reporter.tell(context.found, plan.note)
                    return
                done = await self._carry_out(context, plan)
            if done.created is False:
                self._metrics[OPERATOR_DUPLICATES_PREVENTED].labels(context.key.name).inc()
            if any(isinstance(one, Select | AnnotateService) for one in plan.first + plan.then):
                # What the Service remembers, and selects, is part of the next step.
                await self._look_at_target(context)
            if part is decide:
                return  # one decision a reconcile, also of those that a dry run would make

    async def _carry_out(self, context: ReconcileContext, plan: Plan) -> Done:
        try:
            with about_step(context, plan):
                return await self._executor.carry_out(plan, partial(self._write, context))
        except TaxiError as error:
            for effect in plan.then:
                # Without an answer the Job may be there.
                if isinstance(effect, CreateJob) and not isinstance(error, NotAvailableError):
                    await self._queue.give_back(effect.manifest["metadata"]["name"])
            raise

    def _look(self, context: ReconcileContext) -> Looks:
        return self._direct if context.is_sure else self._viewed

    async def _make_sure(self, context: ReconcileContext) -> None:
        """Look again, directly, before something is done: watches tell that there is something.

        What they tell may be some moments old; what is to be done is planned anew.
        """
        if self._view is not None:
            await self._claims.require(context.found)
        context.is_sure = True
        await self._look_at_target(context)
        if context.seen.jobs is not None:
            await self._look_at_jobs(context)
        if context.seen.has_template:
            await self._look_at_template(context)

    async def _plan(self, context: ReconcileContext, part: Part, done: Done) -> tuple[Status, Plan]:
        """Look at what a part needs; return what is remembered then, and the part's next step."""
        policy, key = context.policy, context.key
        context.see(now=self._clock(), run=None, place=Place.UNKNOWN)
        known = remembered(policy, key, context.status, context.seen)
        one = known.run
        # What is abandoned is not looked at: no outage may keep it going.
        goes_on = policy.mode is Mode.ENFORCE or (one and one.is_moving)
        if part is run and one is not None and one.is_open and goes_on:
            seen = await self._look(context).runs.look(policy, key, one, context.seen.now)
            context.see(run=seen)
        if part is request and is_asked(policy, known, ROLLBACK):
            await self._guard(context, self._look_at_rollback)
        plan = part(policy, key, known, context.seen, done)
        if plan.asks_for_run:
            number = next_number(known, context.seen)
            next_run = await self._direct.runs.next_run(policy, key, number, context.seen.now)
            context.see(next_run=next_run)
            known = remembered(policy, key, context.status, context.seen)
            plan = part(policy, key, known, context.seen, done)
        if plan.asks_for_place:
            is_free = await self._queue.lets_in(key.uid, plan.asks_for_place)
            context.see(place=Place.FREE if is_free else Place.TAKEN)
            plan = part(policy, key, known, context.seen, done)
        return known, plan

    async def _write(self, context: ReconcileContext, plan: Plan) -> None:
        """Write what a step is to be remembered by, and tell people."""
        status = plan.memory
        if plan.decision is not None:
            status = self._outbox.planned(await self._reports.planned(context.policy, status))
        before = context.status
        if status.reset_at != before.reset_at:
            context.see(readings=())  # they are of the old model
        if status != before and not await self._save(context, plan, status):
            return
        self._outbox.fell_out(context.key.uid, before, status)
        self._reporter.count_run(context.key.name, before, status)
        if plan.decision is not None:
            if plan.decision.is_rescue:
                self._metrics[OPERATOR_RESCUES].labels(context.key.name).inc()
            why = ", ".join(plan.decision.because) or plan.decision.reason
            await self._reporter.emit_decision(context.found, status, why)
        if before.is_swapping and not status.is_swapping and status.last_swap_seconds is not None:
            seconds = self._metrics[OPERATOR_SWITCH_SECONDS].labels(context.policy.service)
            seconds.set(status.last_swap_seconds)
        if plan.note is not None:
            await self._reporter.tell(context.found, plan.note)

    async def _save(self, context: ReconcileContext, plan: Plan, status: Status) -> bool:
        """Write a status; return False when it could not be, and the step goes on without it.

        Only the move away from a champion that answers nobody does: it is made again by every
        look, and the selector loop does not undo it while the champion has no ready pod.
        """
        try:
            await self._reporter.save(context, status)
        except PolicyChangedError:
            raise
        except TaxiError as error:
            if plan.decision is None or not plan.decision.is_rescue:
                raise
            context.problems.append(self._reporter.problem_of(error))
            return False
        return True
