"""One tick of one policy: observe, decide, write the intent, act, report."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from taxi_domain.errors import FieldError, TaxiError
from taxi_operator import jobs
from taxi_operator.adapters.cluster import Cluster, PolicyChangedError
from taxi_operator.champion import Readiness, readiness_of, ready_pods
from taxi_operator.claims import service_of, target_of
from taxi_operator.conditions import FALLBACK, READY, Finding, Outcome
from taxi_operator.decisions import Action, Decision, Traffic, decide
from taxi_operator.jobs import PolicyKey
from taxi_operator.metrics import Metrics
from taxi_operator.obligations import promotion_of, recalled
from taxi_operator.observation import observe
from taxi_operator.orphans import Orphans
from taxi_operator.policies import Mode, Policy, policy_of
from taxi_operator.report_ends import ReportEnds
from taxi_operator.reporting import Reporter
from taxi_operator.reports import Reports, ReportSource
from taxi_operator.retraining import Retraining
from taxi_operator.settings import FaultPoint
from taxi_operator.statuses import Run, RunState, Status, status_of
from taxi_operator.steps import abandoned
from taxi_operator.swaps import Swaps
from taxi_operator.ticks import Tick
from taxi_operator.times import text_of
from taxi_operator.traffic import TargetMissingError, TrafficControl, require_deployments
from taxi_operator.worlds import with_budget, world_of

logger = logging.getLogger(__name__)

Document = dict[str, Any]

_STEPS_A_TICK: Final = 4
_LOOK_AGAIN: Final = 30.0
_DELETION_LOOK: Final = 2.0
_CHANGE_LOOK: Final = 1.0
#: Policies with a fallback are looked at as often whatever their interval: when the champion is
#: ready, and when it is not, seconds.
_LONGEST_PAUSE: Final = 60.0
_CHAMPION_LOOK: Final = 10.0


class Conductor:
    """Ticks policies; holds nothing between ticks."""

    def __init__(
        self,
        cluster: Cluster,
        retraining: Retraining,
        traffic: TrafficControl,
        metrics: Metrics,
        clock: Callable[[], float],
        die_at: Callable[[FaultPoint], None],
        report_source: ReportSource,
    ) -> None:
        self._cluster = cluster
        self._retraining = retraining
        self._traffic = traffic
        self._reporter = Reporter(cluster, metrics, clock)
        self._swaps = Swaps(cluster, self._traffic, self._reporter, die_at)
        self._reports = Reports(cluster, self._reporter, report_source, die_at)
        self._report_ends = ReportEnds(cluster, self._reporter)
        self._orphans = Orphans(cluster, retraining, traffic, self._reporter)
        self._metrics = metrics
        self._clock = clock

    async def tick(self, name: str) -> float:
        """Evaluate one policy; return the seconds until it wants to be evaluated again."""
        try:
            return await self._tick(name)
        except PolicyChangedError as change:
            # Every step can be repeated, and what it is to be is read anew.
            logger.info(
                "policy changed during its tick", extra={"policy": name, "how": str(change)}
            )
            return _CHANGE_LOOK

    async def _tick(self, name: str) -> float:
        found = await self._cluster.policy(name)
        if found is None:
            self._metrics.forget(name)
            return _LOOK_AGAIN
        if service_of(found) in await self._traffic.foreign():
            return _LOOK_AGAIN
        status = status_of(found.get("status"), self._clock())
        if found["metadata"].get("deletionTimestamp"):
            # Somebody else's finalizer holds it. The keeper brings the traffic back.
            await self._carry_on_promotion(found, status)
            return _DELETION_LOOK
        await self._reporter.heal(found, status)
        status = await self._reporter.begin(found, status)
        try:
            policy = policy_of(found.get("spec") or {})
        except FieldError as error:
            status = await self._carry_on_promotion(found, status)
            await self._refuse(found, status, "InvalidSpec", str(error))
            return _LOOK_AGAIN
        rival = await self._swaps.rival_of(found)
        if rival is not None:
            message = f"policy {rival} is older and has the same target or model; remove one"
            status = await self._carry_on_promotion(found, status.without_traffic())
            step = abandoned(status, f"policy {rival} acts now", self._clock())
            status = await self._reporter.take(found, status, step)
            await self._refuse(found, status, "TargetConflict", message)
            return policy.interval_seconds
        pause = policy.interval_seconds
        try:
            pause = await self._serve(found, policy, status)
        except TaxiError:
            raise
        except Exception as error:
            problem = _defect(name, error)
            status = status_of(found.get("status"), self._clock())
            await self._refuse(found, status, problem.reason, problem.message)
        return pause

    async def keep_selectors(self) -> None:
        """Give every active Service the selector that its policy wants, or the champion's."""
        await self._swaps.keep()

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
        self._metrics.champion_unavailable.remove_by_labels({"policy": found["metadata"]["name"]})
        problem = Finding(READY, "False", reason, message)
        await self._reporter.report(found, status, Outcome(problem=problem))

    async def _serve(self, found: Document, policy: Policy, status: Status) -> float:
        """Go through the stages of a tick; return the pause until the next one.

        What an unavailable champion asks for comes before everything that needs Prometheus.
        """
        tick = Tick(found, policy, status)
        await self._go_through(tick, self._look_at_target, self._rescue)
        observation = await observe(policy, tick.status)
        readings = observation.readings
        tick.observation, tick.readings = observation, readings
        tick.status = tick.status.read(readings)
        tick.problems += [self._reporter.problem_of(one) for one in observation.bad_queries]
        if observation.problem:
            self._metrics.api_errors.labels("prometheus").inc()
        self._reporter.measure(found["metadata"]["name"], readings)
        await self._go_through(
            tick, self._look_at_jobs, self._look_at_template, self._carry_on_swap,
            self._carry_on_run, self._decide, self._reports.carry_on, self._report_ends.look,
        )  # fmt: skip
        champion = tick.champion
        outcome = Outcome(
            tick.readings, tick.problems[0] if tick.problems else None, observation.problem,
            tick.held, tick.unready,
            champion.since if champion and champion.unavailable(self._clock()) else None,
        )  # fmt: skip
        await self._reporter.report(found, tick.status, outcome)
        if policy.fallback is None:
            return policy.interval_seconds
        is_ready = champion is not None and champion.is_ready
        return min(policy.interval_seconds, _LONGEST_PAUSE if is_ready else _CHAMPION_LOOK)

    async def _go_through(self, tick: Tick, *stages: Callable[[Tick], Awaitable[None]]) -> None:
        """Go through stages of a tick; one that fails does not stop the others."""
        for stage in stages:
            try:
                await stage(tick)
            except PolicyChangedError:
                raise
            except TaxiError as error:
                tick.problems.append(self._reporter.problem_of(error))
            except Exception as error:
                tick.problems.append(_defect(tick.key.name, error))

    async def _look_at_target(self, tick: Tick) -> None:
        """See that what the policy acts on is there; without it nothing is decided."""
        policy = tick.policy
        service = await self._traffic.service(policy.service)
        run = tick.status.run
        if run is None or not run.is_open or policy.mode is not Mode.ENFORCE:
            # In the middle of an enforced run the next step repeats what a crash cut off.
            tick.status = recalled(tick.status, service, tick.key.uid, self._clock())
        fallback = policy.fallback.deployment if policy.fallback is not None else None
        require_deployments(service, policy.deployment, fallback)
        known = tick.status.traffic_known and not self._swaps.only_watches(tick.found)
        if not known and policy.mode is not Mode.ENFORCE:
            # It did not move the traffic, or another policy does: it sees it, and does not keep it.
            seen = await self._traffic.selected(service) or Traffic.CHAMPION
            tick.status = replace(
                tick.status, traffic=seen, traffic_known=False, traffic_since=None, rescued=False
            )
        elif not known:
            await self._recall_traffic(tick, service)
        champion = await self._cluster.deployment(policy.deployment)
        if champion is None:
            # The traffic may still go to the fallback.
            missing = TargetMissingError(f"Deployment {policy.deployment}: is not there")
            tick.problems.append(self._reporter.problem_of(missing))
            tick.champion_missing = True
        self._note_champion(tick, readiness_of(champion, tick.status.champion, self._clock()))
        if policy.fallback is not None:
            tick.fallback_ready = ready_pods(
                await self._cluster.deployment(policy.fallback.deployment)
            )
        if await self._traffic.stays_away(service, tick.status.traffic):
            tick.unready = tick.status.traffic
        tick.can_decide = True

    def _note_champion(self, tick: Tick, champion: Readiness) -> None:
        """Remember since when the champion is ready, or not, while something depends on it."""
        tick.champion = champion
        matters = not champion.is_ready or tick.status.traffic is Traffic.FALLBACK
        if matters != (tick.status.champion is not None) or (
            tick.status.champion and tick.status.champion.is_ready != champion.is_ready
        ):
            tick.status = replace(tick.status, champion=champion if matters else None)
        self._metrics.champion_unavailable.labels(tick.key.name).set(
            float(champion.unavailable(self._clock()))
        )

    async def _rescue(self, tick: Tick) -> None:
        """Move the traffic from a champion that is unavailable; no signal is needed for that."""
        if not tick.can_decide or tick.policy.mode is not Mode.ENFORCE or tick.champion is None:
            return
        now = self._clock()
        if tick.status.traffic is Traffic.FALLBACK or not tick.champion.unavailable(now):
            return
        decision = decide(tick.policy, (), world_of(tick, now))
        if decision.is_rescue:
            self._metrics.rescues.labels(tick.key.name).inc()
            await self._carry_out(tick, decision, now)
        elif not _was_held(tick.status):
            held = decision.reason or "the policy has no fallback"
            await self._reporter.tell(
                tick.found, "ChampionUnavailable",
                f"{tick.policy.deployment} has no ready pod, and the traffic stays: {held}",
                warning=True,
            )  # fmt: skip

    async def _recall_traffic(self, tick: Tick, service: Document) -> None:
        """Ask the Service, for a new policy and for one whose status was lost."""
        tick.status = replace(tick.status, traffic_known=True)
        if await self._traffic.selected(service) is Traffic.FALLBACK:
            tick.status = replace(
                tick.status, traffic=Traffic.FALLBACK, traffic_since=self._clock(),
                last_swap_seconds=0.0,
            )  # fmt: skip

    async def _look_at_jobs(self, tick: Tick) -> None:
        """See the Jobs of the policy; they know of runs that a lost status does not."""
        tick.retrain_blocked = "JobsUnknown"
        tick.jobs = await self._cluster.jobs(tick.key.uid)
        tick.retrain_blocked = ""
        newest = jobs.newest(tick.jobs)
        if newest is None:
            return
        number, run = jobs.decision_number(newest), tick.status.run
        if number > (run.number if run else 0) and jobs.ended_at(newest) is None:
            going_on = Run(
                number=number, attempt=jobs.attempt_number(newest), state=RunState.RUNNING,
                job_name=newest["metadata"]["name"], started_at=jobs.created_at(newest),
            )  # fmt: skip
            tick.status = replace(tick.status, run=going_on)

    async def _look_at_template(self, tick: Tick) -> None:
        retrain, blocked = tick.policy.retrain, tick.retrain_blocked
        if retrain is None:
            return
        tick.retrain_blocked = "CronJobMissing"
        if await self._cluster.cron_job(retrain.cron_job) is None:
            raise TargetMissingError(
                f"CronJob {retrain.cron_job}: is not there; spec.retrain.jobFrom.cronJobName has "
                "to name the chart's suspended CronJob"
            )
        tick.retrain_blocked = blocked

    async def _carry_on_swap(self, tick: Tick) -> None:
        if tick.can_decide and tick.policy.mode is Mode.ENFORCE:
            await self._swaps.carry_on(tick)

    async def _carry_on_run(self, tick: Tick) -> None:
        """Advance an open run until a step changes nothing; each change is written at once."""
        for _ in range(_STEPS_A_TICK):
            run = tick.status.run
            if run is None or not run.is_open:
                return
            if run.state is not RunState.PROMOTING and tick.policy.mode is not Mode.ENFORCE:
                step = abandoned(tick.status, f"spec.mode is {tick.policy.mode}", self._clock())
            else:
                step = await self._retraining.advance(
                    tick.policy, tick.key, tick.status, self._clock()
                )
            if step.adopted:
                self._metrics.duplicates_prevented.labels(tick.key.name).inc()
            if step.status == tick.status:
                return
            status = step.status
            if status.reset_at != tick.status.reset_at:
                # Prometheus' clock, since ranges are cut by it; the readings are of the old model.
                status = replace(status, reset_at=tick.observation.now or status.reset_at)
                tick.readings = ()
            await self._reporter.save(tick, status)
            if step.event is not None:
                await self._reporter.tell(tick.found, *step.event, warning=step.warning)

    async def _decide(self, tick: Tick) -> None:
        if not tick.can_decide:
            return
        now = self._clock()
        world = world_of(tick, now)
        tick.status = with_budget(tick.policy, tick.status, world)
        decision = decide(tick.policy, tick.readings, world)
        tick.held = decision.reason if decision.action is Action.NONE else ""
        if decision.action is Action.NONE:
            return
        if tick.policy.mode is Mode.DRY_RUN:
            await self._dry(tick, decision)
            return
        await self._carry_out(tick, decision, now)

    async def _carry_out(self, tick: Tick, decision: Decision, now: float) -> None:
        """Write a decision down, and begin with it."""
        number = max([tick.status.number, *map(jobs.decision_number, tick.jobs)]) + 1
        if decision.action is Action.RETRAIN:
            number = await self._retraining.unused(tick.policy, tick.key, number)
        status = tick.status.decided(number, decision.action, decision.because, now)
        status = await self._reports.planned(tick.policy, status)
        why = ", ".join(decision.because) or decision.reason
        if decision.action is Action.RETRAIN:
            status = await self._retraining.begin(tick.policy, tick.key, status, now)
            await self._reporter.save(tick, status)
            await self._reporter.announce(tick.found, status, why)
            await self._carry_on_run(tick)
            return
        await self._reporter.announce(tick.found, status, why)
        await self._swaps.swap(tick, status, decision)

    async def _dry(self, tick: Tick, decision: Decision) -> None:
        """Write down what would have been done, once for each change of mind."""
        shown = {"action": f"DryRun{decision.action}", "because": list(decision.because)}
        last = tick.status.decision or {}
        if all(last.get(name) == value for name, value in shown.items()):
            return
        status = tick.status
        if status.report_is_open:
            # Nobody makes the report of what a dry run takes the place of.
            status = status.with_report(url=None, start=None)
        number = status.number
        entry = {"id": f"{number:04d}", "number": number, **shown, "at": text_of(self._clock())}
        tick.status = replace(status, decision=entry)
        why = ", ".join(decision.because) or decision.reason
        await self._reporter.tell(tick.found, "DryRun", f"would {decision.action} because of {why}")


def _defect(policy: str, error: Exception) -> Finding:
    """Return the condition of a policy that a defect hinders: it must not say that it is served."""
    logger.error("tick failed", extra={"policy": policy}, exc_info=error)
    message = f"a defect of the operator ({type(error).__name__}); its log has more"
    return Finding(READY, "False", "InternalError", message)


def _was_held(status: Status) -> bool:
    """Tell whether the last tick said already that the traffic cannot leave the champion."""
    return any(
        one["type"] == FALLBACK and one["reason"] in {"ChampionUnavailable", "FallbackNotReady"}
        for one in status.conditions
    )
