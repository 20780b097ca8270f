"""One reconcile of one policy: observe, decide, write the intent, act, report."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.metrics import (
    OPERATOR_API_ERRORS,
    OPERATOR_CHAMPION_UNAVAILABLE,
    OPERATOR_DUPLICATES_PREVENTED,
    OPERATOR_RESCUES,
)
from taxi_operator.adapters.cluster import Cluster, PolicyChangedError
from taxi_operator.adapters.servers import Servers
from taxi_operator.conditions import READY, Finding, Outcome, was_held
from taxi_operator.core import jobs
from taxi_operator.core.decisions import Action, Decision, Traffic, decide
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.core.readiness import Readiness, readiness_of, ready_pods
from taxi_operator.facts import facts_of, with_budget
from taxi_operator.memory.obligations import promotion_of, recalled
from taxi_operator.memory.status import Run, RunState, Status, status_of
from taxi_operator.memory.steps import abandoned
from taxi_operator.metrics import Metrics
from taxi_operator.observation import observe
from taxi_operator.orphans import Orphans
from taxi_operator.places import Places
from taxi_operator.reconcile_context import ReconcileContext
from taxi_operator.report_ends import ReportEnds
from taxi_operator.reporting import Reporter, defect_of
from taxi_operator.reports import Reports, ReportSource
from taxi_operator.retraining import Retraining
from taxi_operator.settings import Failpoint
from taxi_operator.spec.ownership import service_of, target_of
from taxi_operator.spec.policy import Mode, Policy, policy_of
from taxi_operator.times import text_of
from taxi_operator.traffic import TargetMissingError, TrafficControl, require_deployments
from taxi_operator.traffic_switch import TrafficSwitch

logger = logging.getLogger(__name__)

Document = dict[str, Any]

_STEPS_A_TICK: Final = 4
_LOOK_AGAIN: Final = 30.0
_DELETION_LOOK: Final = 2.0
_CHANGE_LOOK: Final = 1.0
#: Policies with a fallback are looked at as often whatever their interval: when the champion is
#: ready, and when it is not, seconds.
_MAX_PAUSE: Final = 60.0
_CHAMPION_LOOK: Final = 10.0


class Reconciler:
    """Reconciles policies; holds nothing between reconciles."""

    def __init__(
        self,
        cluster: Cluster,
        retraining: Retraining,
        traffic: TrafficControl,
        metrics: Metrics,
        clock: Callable[[], float],
        failpoint: Callable[[Failpoint], None],
        report_source: ReportSource,
        servers: Servers,
        places: Places,
    ) -> None:
        self._cluster = cluster
        self._retraining = retraining
        self._traffic = traffic
        self._reporter = Reporter(cluster, metrics, clock)
        self._switch = TrafficSwitch(cluster, self._traffic, self._reporter, failpoint)
        self._reports = Reports(cluster, self._reporter, report_source, failpoint)
        self._report_ends = ReportEnds(cluster, self._reporter)
        self._orphans = Orphans(cluster, retraining, traffic, self._reporter)
        self._metrics = metrics
        self._clock = clock
        self._servers, self._places = servers, places

    async def reconcile(self, name: str) -> float:
        """Evaluate one policy; return the seconds until it wants to be evaluated again."""
        try:
            return await self._reconcile(name)
        except PolicyChangedError as change:
            # Every step can be repeated, and what it is to be is read anew.
            logger.info(
                "policy changed during its reconcile", extra={"policy": name, "how": str(change)}
            )
            return _CHANGE_LOOK

    async def _reconcile(self, name: str) -> float:
        found = await self._cluster.policy(name)
        if found is None:
            self._metrics.forget(name)
            return _LOOK_AGAIN
        if service_of(found) in await self._traffic.foreign():
            return _LOOK_AGAIN
        status = status_of(found.get("status"), self._clock())
        if found["metadata"].get("deletionTimestamp"):
            # Somebody else's finalizer holds it. The selector loop brings the traffic back.
            await self._carry_on_promotion(found, status)
            return _DELETION_LOOK
        await self._reporter.heal(found, status)
        status = await self._reporter.begin(found, status)
        try:
            policy = policy_of(found.get("spec") or {})
            self._servers.require(policy.prometheus_url)
        except FieldError as error:
            status = await self._carry_on_promotion(found, status)
            await self._refuse(found, status, "InvalidSpec", str(error))
            return _LOOK_AGAIN
        conflicting = await self._switch.conflicting_policy_of(found)
        if conflicting is not None:
            message = f"policy {conflicting} is older and has the same target or model; remove one"
            status = await self._carry_on_promotion(found, status.without_traffic())
            step = abandoned(status, f"policy {conflicting} acts now", self._clock())
            status = await self._reporter.take(found, status, step)
            await self._refuse(found, status, "TargetConflict", message)
            return policy.interval_seconds
        pause = policy.interval_seconds
        try:
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
        await self._switch.keep()

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
        service = await self._cluster.service(target.service)
        status = recalled(status, service, key.uid, self._clock())
        promotion = promotion_of(status.run, key, target, self._clock())
        if promotion is None:
            return status
        step = await self._retraining.finish(promotion, status, self._clock())
        return await self._reporter.take(found, status, step)

    async def _refuse(self, found: Document, status: Status, reason: str, message: str) -> None:
        self._metrics.keep_signals(found["metadata"]["name"], ())
        # Nobody looks at the champion of a policy that is not served.
        self._metrics[OPERATOR_CHAMPION_UNAVAILABLE].remove_by_labels(
            {"policy": found["metadata"]["name"]}
        )
        problem = Finding(READY, "False", reason, message)
        await self._reporter.report(found, status, Outcome(problem=problem))

    async def _serve(self, found: Document, policy: Policy, status: Status) -> float:
        """Go through the stages of a reconcile; return the pause until the next one.

        What an unavailable champion asks for comes before everything that needs Prometheus.
        """
        context = ReconcileContext(found, policy, status)
        await self._go_through(context, self._look_at_target, self._rescue)
        async with self._places.left():
            observation = await observe(policy, context.status, self._servers)
        readings = observation.readings
        context.observation, context.readings = observation, readings
        context.status = context.status.read(readings)
        context.problems += [self._reporter.problem_of(one) for one in observation.bad_queries]
        if observation.problem:
            self._metrics[OPERATOR_API_ERRORS].labels("prometheus").inc()
        self._reporter.measure(found["metadata"]["name"], readings)
        await self._go_through(
            context, self._look_at_jobs, self._look_at_template, self._carry_on_switch,
            self._carry_on_run, self._decide, self._reports.carry_on, self._report_ends.look,
        )  # fmt: skip
        champion = context.champion
        outcome = Outcome(
            context.readings, context.problems[0] if context.problems else None,
            observation.problem, context.held, context.unready,
            champion.since if champion and champion.unavailable(self._clock()) else None,
        )  # fmt: skip
        await self._reporter.report(found, context.status, outcome)
        if policy.fallback is None:
            return policy.interval_seconds
        is_ready = champion is not None and champion.is_ready
        return min(policy.interval_seconds, _MAX_PAUSE if is_ready else _CHAMPION_LOOK)

    async def _go_through(
        self, context: ReconcileContext, *stages: Callable[[ReconcileContext], Awaitable[None]]
    ) -> None:
        """Go through stages of a reconcile; one that fails does not stop the others."""
        for stage in stages:
            try:
                await stage(context)
            except PolicyChangedError:
                raise
            except TaxiError as error:
                context.problems.append(self._reporter.problem_of(error))
            except Exception as error:
                context.problems.append(defect_of(context.key.name, error))

    async def _look_at_target(self, context: ReconcileContext) -> None:
        """See that what the policy acts on is there; without it nothing is decided."""
        policy = context.policy
        service = await self._traffic.service(policy.service)
        run = context.status.run
        if run is None or not run.is_open or policy.mode is not Mode.ENFORCE:
            # In the middle of an enforced run the next step repeats what a crash cut off.
            context.status = recalled(context.status, service, context.key.uid, self._clock())
        fallback = policy.fallback.deployment if policy.fallback is not None else None
        require_deployments(service, policy.deployment, fallback)
        known = context.status.traffic_known and not self._switch.only_watches(context.found)
        if not known and policy.mode is not Mode.ENFORCE:
            # It did not move the traffic, or another policy does: it sees it, and does not keep it.
            seen = await self._traffic.selected(service) or Traffic.CHAMPION
            context.status = replace(
                context.status, traffic=seen, traffic_known=False, traffic_since=None, rescued=False
            )
        elif not known:
            await self._recall_traffic(context, service)
        champion = await self._cluster.deployment(policy.deployment)
        if champion is None:
            # The traffic may still go to the fallback.
            missing = TargetMissingError(f"Deployment {policy.deployment}: is not there")
            context.problems.append(self._reporter.problem_of(missing))
            context.champion_missing = True
        self._note_champion(context, readiness_of(champion, context.status.champion, self._clock()))
        if policy.fallback is not None:
            context.fallback_ready = ready_pods(
                await self._cluster.deployment(policy.fallback.deployment)
            )
        if await self._traffic.stays_away(service, context.status.traffic):
            context.unready = context.status.traffic
        context.can_decide = True

    def _note_champion(self, context: ReconcileContext, champion: Readiness) -> None:
        """Remember since when the champion is ready, or not, while something depends on it."""
        context.champion = champion
        matters = not champion.is_ready or context.status.traffic is Traffic.FALLBACK
        if matters != (context.status.champion is not None) or (
            context.status.champion and context.status.champion.is_ready != champion.is_ready
        ):
            context.status = replace(context.status, champion=champion if matters else None)
        self._metrics[OPERATOR_CHAMPION_UNAVAILABLE].labels(context.key.name).set(
            float(champion.unavailable(self._clock()))
        )

    async def _rescue(self, context: ReconcileContext) -> None:
        """Move the traffic from a champion that is unavailable; no signal is needed for that."""
        if (
            not context.can_decide
            or context.policy.mode is not Mode.ENFORCE
            or context.champion is None
        ):
            return
        now = self._clock()
        if context.status.traffic is Traffic.FALLBACK or not context.champion.unavailable(now):
            return
        decision = decide(context.policy, (), facts_of(context, now))
        if decision.is_rescue:
            self._metrics[OPERATOR_RESCUES].labels(context.key.name).inc()
            await self._carry_out(context, decision, now)
        elif not was_held(context.status):
            held = decision.reason or "the policy has no fallback"
            await self._reporter.emit_event(
                context.found, "ChampionUnavailable",
                f"{context.policy.deployment} has no ready pod, and the traffic stays: {held}",
                warning=True,
            )  # fmt: skip

    async def _recall_traffic(self, context: ReconcileContext, service: Document) -> None:
        """Ask the Service, for a new policy and for one whose status was lost."""
        context.status = replace(context.status, traffic_known=True)
        if await self._traffic.selected(service) is Traffic.FALLBACK:
            context.status = replace(
                context.status, traffic=Traffic.FALLBACK, traffic_since=self._clock(),
                last_swap_seconds=0.0,
            )  # fmt: skip

    async def _look_at_jobs(self, context: ReconcileContext) -> None:
        """See the Jobs of the policy; they know of runs that a lost status does not."""
        context.retrain_blocked = "JobsUnknown"
        context.jobs = await self._cluster.jobs(context.key.uid)
        context.retrain_blocked = ""
        newest = jobs.newest(context.jobs)
        if newest is None:
            return
        number, run = jobs.decision_number(newest), context.status.run
        if number > (run.number if run else 0) and jobs.ended_at(newest) is None:
            going_on = Run(
                number=number, attempt=jobs.attempt_number(newest), state=RunState.RUNNING,
                job_name=newest["metadata"]["name"], started_at=jobs.created_at(newest),
            )  # fmt: skip
            context.status = replace(context.status, run=going_on)

    async def _look_at_template(self, context: ReconcileContext) -> None:
        retrain, blocked = context.policy.retrain, context.retrain_blocked
        if retrain is None:
            return
        context.retrain_blocked = "CronJobMissing"
        if await self._cluster.cron_job(retrain.cron_job) is None:
            raise TargetMissingError(
                f"CronJob {retrain.cron_job}: is not there; spec.retrain.jobFrom.cronJobName has "
                "to name the chart's suspended CronJob"
            )
        context.retrain_blocked = blocked

    async def _carry_on_switch(self, context: ReconcileContext) -> None:
        if context.can_decide and context.policy.mode is Mode.ENFORCE:
            await self._switch.carry_on(context)

    async def _carry_on_run(self, context: ReconcileContext) -> None:
        """Advance an open run until a step changes nothing; each change is written at once."""
        for _ in range(_STEPS_A_TICK):
            run = context.status.run
            if run is None or not run.is_open:
                return
            if run.state is not RunState.PROMOTING and context.policy.mode is not Mode.ENFORCE:
                step = abandoned(
                    context.status, f"spec.mode is {context.policy.mode}", self._clock()
                )
            else:
                step = await self._retraining.advance(
                    context.policy, context.key, context.status, self._clock()
                )
            if step.already_existed:
                self._metrics[OPERATOR_DUPLICATES_PREVENTED].labels(context.key.name).inc()
            if step.status == context.status:
                return
            status = step.status
            if status.reset_at != context.status.reset_at:
                # Prometheus' clock, since ranges are cut by it; the readings are of the old model.
                status = replace(status, reset_at=context.observation.now or status.reset_at)
                context.readings = ()
            await self._reporter.save(context, status)
            if step.event is not None:
                await self._reporter.emit_event(context.found, *step.event, warning=step.warning)

    async def _decide(self, context: ReconcileContext) -> None:
        if not context.can_decide:
            return
        now = self._clock()
        facts = facts_of(context, now)
        context.status = with_budget(context.policy, context.status, facts)
        decision = decide(context.policy, context.readings, facts)
        context.held = decision.reason if decision.action is Action.NONE else ""
        if decision.action is Action.NONE:
            return
        if context.policy.mode is Mode.DRY_RUN:
            await self._dry(context, decision)
            return
        await self._carry_out(context, decision, now)

    async def _carry_out(self, context: ReconcileContext, decision: Decision, now: float) -> None:
        """Write a decision down, and begin with it."""
        number = max([context.status.number, *map(jobs.decision_number, context.jobs)]) + 1
        if decision.action is Action.RETRAIN:
            number = await self._retraining.unused(context.policy, context.key, number)
        status = context.status.decided(number, decision.action, decision.because, now)
        status = await self._reports.planned(context.policy, status)
        why = ", ".join(decision.because) or decision.reason
        if decision.action is Action.RETRAIN:
            status = await self._retraining.begin(context.policy, context.key, status, now)
            await self._reporter.save(context, status)
            await self._reporter.emit_decision(context.found, status, why)
            await self._carry_on_run(context)
            return
        await self._reporter.emit_decision(context.found, status, why)
        await self._switch.switch(context, status, decision)

    async def _dry(self, context: ReconcileContext, decision: Decision) -> None:
        """Write down what would have been done, once for each change of mind."""
        shown = {"action": f"DryRun{decision.action}", "because": list(decision.because)}
        last = context.status.decision or {}
        if all(last.get(name) == value for name, value in shown.items()):
            return
        status = context.status
        if status.report_is_open:
            # Nobody makes the report of what a dry run takes the place of.
            status = status.with_report(url=None, start=None)
        number = status.number
        entry = {"id": f"{number:04d}", "number": number, **shown, "at": text_of(self._clock())}
        context.status = replace(status, decision=entry)
        why = ", ".join(decision.because) or decision.reason
        await self._reporter.emit_event(
            context.found, "DryRun", f"would {decision.action} because of {why}"
        )
