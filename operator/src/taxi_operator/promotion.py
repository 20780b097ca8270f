"""Making a candidate the champion: alias, pods, and back when the pods do not come up."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from taxi_domain.errors import TaxiError
from taxi_domain.kube import GROUP, MODEL_VERSION_ANNOTATION
from taxi_domain.models import Alias, ModelState
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.memory.obligations import PROMOTION_ANNOTATION, OpenPromotion, promotion_on
from taxi_operator.memory.status import Run, RunState, Status
from taxi_operator.memory.steps import Step, candidate_of, ended
from taxi_operator.settings import Failpoint
from taxi_operator.spec.policy import Policy
from taxi_store.registry.entries import AliasConflictError, StateConflictError, UnknownVersionError
from taxi_store.registry.registry_async import AsyncRegistry
from taxi_store.registry.runs import RunEntry

#: Names the Job whose candidate was taken back; set on the pod template beside the version.
ROLLED_BACK_ANNOTATION: Final = f"{GROUP}/rolled-back"
_BY: Final = "taxi-operator"
#: A promotion ends within this, or within the Deployment's own deadline and some more, seconds.
_MAX_ROLLOUT: Final = 900.0
_PROGRESS_MARGIN: Final = 300.0


class Promotion:
    """Promotes candidates; each step can be repeated after a crash."""

    def __init__(
        self, cluster: Cluster, registry: AsyncRegistry, failpoint: Callable[[Failpoint], None]
    ) -> None:
        self._cluster = cluster
        self._registry = registry
        self._failpoint = failpoint
        # Orphaned promotions are carried on by another task, which must not take one for ended
        # while its alias is being moved.
        self._lock = asyncio.Lock()

    async def begin(
        self, policy: Policy, key: PolicyKey, status: Status, run: Run, report: RunEntry, now: float
    ) -> Step:
        """Move the alias; a repeat finds it moved already.

        The Service remembers the promotion from before that: from then on it is carried to its end
        or back, whatever becomes of the policy. A candidate that is not to be had any more ends the
        run: no repeat would bring it back.

        Raises:
            TaxiError: another promotion of this Service is open.
        """
        async with self._lock:
            return await self._begin(policy, key, status, run, report, now)

    async def _begin(
        self, policy: Policy, key: PolicyKey, status: Status, run: Run, report: RunEntry, now: float
    ) -> Step:
        version = report.candidate
        if version is None or report.champion is None:
            message = f"run {report.run_id}: reports Better, but names no candidate or no champion"
            return ended(status, run, RunState.FAILED, message, now)
        promotion = OpenPromotion(
            policy=key.name, policy_uid=key.uid, service=policy.service, model=policy.model,
            deployment=policy.deployment, candidate=version, champion=report.champion,
            number=run.number, attempt=run.attempt, job_name=run.job_name, since=now,
        )  # fmt: skip
        promotion = await self._remember(promotion, now)
        try:
            await self._move(promotion, to=version, expected=report.champion, now=now)
            # A mark that the garbage collection set meanwhile goes again: it looks at the alias.
            with suppress(StateConflictError):
                await self._registry.set_state(version, ModelState.ACCEPTED, reason=report.message)
        except (UnknownVersionError, StateConflictError) as error:
            return await self._lost(promotion, status, run, report, str(error), now)
        except AliasConflictError as conflict:
            await self._registry.set_state(version, ModelState.REJECTED, reason=str(conflict))
            refused = replace(status, candidate=candidate_of(report, "Refused"))
            await self._forget(promotion)
            return ended(refused, run, RunState.REFUSED, str(conflict), now)
        self._failpoint(Failpoint.AFTER_ALIAS)
        await self._roll(promotion)
        promoting = replace(promotion.run(run), message=report.message)
        return Step(
            replace(status, run=promoting, candidate=candidate_of(report, "Promoting")),
            ("CandidateBetter", f"decision {run.number}: {version}: {report.message}"),
        )

    async def _remember(self, promotion: OpenPromotion, now: float) -> OpenPromotion:
        """Write a promotion onto its Service; one that stands there already goes on."""
        found = promotion_on(await self._cluster.service(promotion.service), now)
        if found == replace(promotion, since=found.since if found else 0.0):
            return found
        if found is not None and found.policy_uid != promotion.policy_uid:
            raise TaxiError(
                f"Service {promotion.service}: the promotion of {found.candidate}, which policy "
                f"{found.policy} began, is still open; it ends or goes back by itself"
            )
        await self._cluster.annotate_service(
            promotion.service, {PROMOTION_ANNOTATION: promotion.text}
        )
        self._failpoint(Failpoint.BEFORE_ALIAS)
        return promotion

    async def _forget(self, promotion: OpenPromotion) -> None:
        await self._cluster.annotate_service(promotion.service, {PROMOTION_ANNOTATION: None})

    async def _lost(
        self, promotion: OpenPromotion, status: Status, run: Run, report: RunEntry, problem: str,
        now: float,
    ) -> Step:  # fmt: skip
        """End a run whose candidate went away; alias and pods that a crash left on it go back."""
        alias = await self._registry.alias(promotion.model, Alias.CHAMPION)
        if alias is not None and promotion.candidate in {alias.version, alias.previous}:
            back = alias.version
            if back == promotion.candidate:
                back = promotion.champion
                await self._move(promotion, to=back, expected=promotion.candidate, now=now)
            # Also when the alias left it by hand, or by us before a crash.
            await self._roll_back(promotion, back)
        refused = replace(status, candidate=candidate_of(report, "Refused"))
        await self._forget(promotion)
        return ended(refused, run, RunState.FAILED, problem, now)

    async def is_ours(self, promotion: OpenPromotion) -> bool:
        """Tell whether the registry knows of a promotion that only a Service speaks of."""
        alias = await self._registry.alias(promotion.model, Alias.CHAMPION)
        pair = {promotion.candidate, promotion.champion}
        return alias is not None and (
            alias.version == promotion.champion or pair == {alias.version, alias.previous}
        )

    async def finish(self, promotion: OpenPromotion, status: Status, now: float) -> Step:
        """Wait until all champion pods have the candidate; go back when they do not come up.

        It ends in any case: a rollout that neither succeeds nor fails, as that of a paused
        Deployment, is taken back after its time. The Service forgets it then.
        """
        async with self._lock:
            return await self._finish(promotion, status, now)

    async def _finish(self, promotion: OpenPromotion, status: Status, now: float) -> Step:
        run = promotion.run(status.run)
        alias = await self._registry.alias(promotion.model, Alias.CHAMPION)
        actual = alias.version if alias else None
        if actual != promotion.candidate:
            # Moved back by hand, or by us before a crash: the pods follow the alias.
            if actual is not None:
                await self._roll_back(promotion, actual)
            message = f"the champion is {actual} and not the candidate {promotion.candidate}"
            await self._forget(promotion)
            return self._undone(status, run, message, now)
        deployment = await self._cluster.deployment(promotion.deployment)
        if deployment is not None and _version_of(deployment) != promotion.candidate:
            await self._roll(promotion)
            deployment = await self._cluster.deployment(promotion.deployment)
        problem = rollout_problem(deployment)
        if not problem and rolled_out(deployment):
            candidate = {**(status.candidate or {}), "state": "Promoted"}
            status = replace(status, candidate=candidate, reset_at=now).forgotten()
            await self._forget(promotion)
            return ended(status, run, RunState.PROMOTED, run.message, now)
        limit = _longest_rollout(deployment)
        if not problem and now - promotion.since > limit:
            problem = f"not ready after {limit:.0f} s"
        if problem:
            return await self._back(promotion, status, run, problem, now)
        # Of an older release, or recalled from the Service: written down for the next look.
        return Step(replace(status, run=run))

    async def _back(
        self, promotion: OpenPromotion, status: Status, run: Run, problem: str, now: float
    ) -> Step:
        """Undo a promotion whose pods do not become ready; the old ones serve all the time."""
        champion = promotion.champion
        await self._move(promotion, to=champion, expected=promotion.candidate, now=now)
        with suppress(UnknownVersionError, StateConflictError):  # it is being removed, or was
            await self._registry.set_state(promotion.candidate, ModelState.REJECTED, reason=problem)
        await self._roll_back(promotion, champion)
        await self._forget(promotion)
        message = f"{promotion.deployment} did not roll out: {problem}; {champion} is back"
        return self._undone(status, run, message, now)

    async def _move(self, promotion: OpenPromotion, *, to: str, expected: str, now: float) -> None:
        try:
            await self._registry.move_alias(
                promotion.model, Alias.CHAMPION, to=to, expected=expected, by=_BY,
                now=datetime.fromtimestamp(now, UTC),
            )  # fmt: skip
        except (AliasConflictError, StateConflictError):
            found = await self._registry.alias(promotion.model, Alias.CHAMPION)
            if found is None or found.version != to:
                raise

    async def _roll(self, promotion: OpenPromotion) -> None:
        annotations = {MODEL_VERSION_ANNOTATION: promotion.candidate}
        await self._cluster.annotate_pods(promotion.deployment, annotations)

    async def _roll_back(self, promotion: OpenPromotion, version: str) -> None:
        """Replace all pods: one of the old template may have loaded the candidate meanwhile.

        With the version alone the template would be the old one again, and its pods would stay.
        A Deployment that is gone has none.
        """
        if await self._cluster.deployment(promotion.deployment) is None:
            return
        annotations = {
            MODEL_VERSION_ANNOTATION: version, ROLLED_BACK_ANNOTATION: promotion.job_name,
        }  # fmt: skip
        await self._cluster.annotate_pods(promotion.deployment, annotations)

    @staticmethod
    def _undone(status: Status, run: Run, message: str, now: float) -> Step:
        candidate = {**(status.candidate or {}), "state": "RolledBack", "message": message}
        return ended(replace(status, candidate=candidate), run, RunState.FAILED, message, now)


def _version_of(deployment: Mapping[str, Any]) -> str | None:
    """Return the model version that a Deployment's pod template names."""
    metadata = ((deployment.get("spec") or {}).get("template") or {}).get("metadata") or {}
    version: str | None = (metadata.get("annotations") or {}).get(MODEL_VERSION_ANNOTATION)
    return version


def _longest_rollout(deployment: Mapping[str, Any] | None) -> float:
    """Return after how many seconds a rollout that goes on for ever is taken back."""
    progress = ((deployment or {}).get("spec") or {}).get("progressDeadlineSeconds") or 0
    return max(_MAX_ROLLOUT, float(progress) + _PROGRESS_MARGIN)


def rolled_out(deployment: Mapping[str, Any] | None) -> bool:
    """Tell whether all pods of a Deployment are of its newest template and ready."""
    if deployment is None or not _seen(deployment):
        return False
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    counts = ("updatedReplicas", "readyReplicas", "replicas")
    return all(status.get(name, 0) == wanted for name in counts)


def rollout_problem(deployment: Mapping[str, Any] | None) -> str:
    """Return why a rollout came to nothing, empty while it can still end well."""
    if deployment is None or not _seen(deployment):
        return ""
    for one in (deployment.get("status") or {}).get("conditions") or []:
        if one["type"] == "Progressing" and one.get("reason") == "ProgressDeadlineExceeded":
            return str(one.get("message") or one["reason"])
    return ""


def _seen(deployment: Mapping[str, Any]) -> bool:
    observed: int = (deployment.get("status") or {}).get("observedGeneration", 0)
    generation: int = deployment["metadata"]["generation"]
    return observed >= generation
