"""Making a candidate the champion: alias, pods, and back when the pods do not come up."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from taxi_domain.kube import GROUP, MODEL_VERSION_ANNOTATION
from taxi_domain.models import Alias, ModelState
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.policies import Policy
from taxi_operator.settings import FaultPoint
from taxi_operator.statuses import Run, RunState, Status
from taxi_operator.steps import Step, candidate_of, ended
from taxi_store.entries import AliasConflictError, StateConflictError, UnknownVersionError
from taxi_store.registry_async import AsyncRegistry
from taxi_store.runs import RunEntry

#: Names the Job whose candidate was taken back; set on the pod template beside the version.
ROLLED_BACK_ANNOTATION: Final = f"{GROUP}/rolled-back"
_BY: Final = "taxi-operator"


class Promotion:
    """Promotes candidates; each step can be repeated after a crash."""

    def __init__(
        self, cluster: Cluster, registry: AsyncRegistry, die_at: Callable[[FaultPoint], None]
    ) -> None:
        self._cluster = cluster
        self._registry = registry
        self._die_at = die_at

    async def begin(
        self, policy: Policy, status: Status, run: Run, report: RunEntry, now: float
    ) -> Step:
        """Move the alias; a repeat finds it moved already.

        A candidate that is not to be had any more ends the run: no repeat would bring it back.
        """
        version = report.candidate
        if version is None or report.champion is None:
            message = f"run {report.run_id}: reports Better, but names no candidate or no champion"
            return ended(status, run, RunState.FAILED, message, now)
        try:
            await self._move(policy.model, to=version, expected=report.champion, now=now)
            # A mark that the garbage collection set meanwhile goes again: it looks at the alias.
            with suppress(StateConflictError):
                await self._registry.set_state(version, ModelState.ACCEPTED, reason=report.message)
        except (UnknownVersionError, StateConflictError) as error:
            return await self._lost(policy, status, run, report, str(error), now)
        except AliasConflictError as conflict:
            await self._registry.set_state(version, ModelState.REJECTED, reason=str(conflict))
            refused = replace(status, candidate=candidate_of(report, "Refused"))
            return ended(refused, run, RunState.REFUSED, str(conflict), now)
        self._die_at(FaultPoint.AFTER_ALIAS)
        await self._roll(policy, version)
        promoting = replace(
            run, state=RunState.PROMOTING, candidate=version, champion=report.champion,
            message=report.message,
        )  # fmt: skip
        return Step(
            replace(status, run=promoting, candidate=candidate_of(report, "Promoting")),
            ("CandidateBetter", f"decision {run.number}: {version}: {report.message}"),
        )

    async def _lost(
        self, policy: Policy, status: Status, run: Run, report: RunEntry, problem: str, now: float
    ) -> Step:
        """End a run whose candidate went away; alias and pods that a crash left on it go back."""
        assert report.candidate is not None
        assert report.champion is not None
        alias = await self._registry.alias(policy.model, Alias.CHAMPION)
        if alias is not None and report.candidate in {alias.version, alias.previous}:
            back = alias.version
            if back == report.candidate:
                back = report.champion
                await self._move(policy.model, to=back, expected=report.candidate, now=now)
            # Also when the alias left it by hand, or by us before a crash.
            await self._roll_back(policy, run, back)
        refused = replace(status, candidate=candidate_of(report, "Refused"))
        return ended(refused, run, RunState.FAILED, problem, now)

    async def finish(self, policy: Policy, status: Status, run: Run, now: float) -> Step:
        """Wait until all champion pods have the candidate; go back when they do not come up."""
        assert run.candidate is not None
        alias = await self._registry.alias(policy.model, Alias.CHAMPION)
        actual = alias.version if alias else None
        if actual != run.candidate:
            # Moved back by hand, or by us before a crash: the pods follow the alias.
            if actual is not None:
                await self._roll_back(policy, run, actual)
            message = f"the champion is {actual} and not the candidate {run.candidate}"
            return self._undone(status, run, message, now)
        await self._roll(policy, run.candidate)
        deployment = await self._cluster.deployment(policy.deployment)
        if stuck := rollout_problem(deployment):
            return await self._back(policy, status, run, stuck, now)
        if not rolled_out(deployment):
            return Step(status)
        candidate = {**(status.candidate or {}), "state": "Promoted"}
        status = replace(status, candidate=candidate, reset_at=now).forgotten()
        return ended(status, run, RunState.PROMOTED, run.message, now)

    async def _back(
        self, policy: Policy, status: Status, run: Run, problem: str, now: float
    ) -> Step:
        """Undo a promotion whose pods do not become ready; the old ones serve all the time."""
        assert run.candidate is not None
        assert run.champion is not None
        await self._move(policy.model, to=run.champion, expected=run.candidate, now=now)
        await self._registry.set_state(run.candidate, ModelState.REJECTED, reason=problem)
        await self._roll_back(policy, run, run.champion)
        message = f"{policy.deployment} did not roll out: {problem}; {run.champion} is back"
        return self._undone(status, run, message, now)

    async def _move(self, model: str, *, to: str, expected: str, now: float) -> None:
        try:
            await self._registry.move_alias(
                model, Alias.CHAMPION, to=to, expected=expected, by=_BY,
                now=datetime.fromtimestamp(now, UTC),
            )  # fmt: skip
        except (AliasConflictError, StateConflictError):
            found = await self._registry.alias(model, Alias.CHAMPION)
            if found is None or found.version != to:
                raise

    async def _roll(self, policy: Policy, version: str) -> None:
        await self._cluster.annotate_pods(policy.deployment, {MODEL_VERSION_ANNOTATION: version})

    async def _roll_back(self, policy: Policy, run: Run, version: str) -> None:
        """Replace all pods: one of the old template may have loaded the candidate meanwhile.

        With the version alone the template would be the old one again, and its pods would stay.
        A Deployment that is gone has none.
        """
        if await self._cluster.deployment(policy.deployment) is None:
            return
        annotations = {MODEL_VERSION_ANNOTATION: version, ROLLED_BACK_ANNOTATION: run.job_name}
        await self._cluster.annotate_pods(policy.deployment, annotations)

    @staticmethod
    def _undone(status: Status, run: Run, message: str, now: float) -> Step:
        candidate = {**(status.candidate or {}), "state": "RolledBack", "message": message}
        return ended(replace(status, candidate=candidate), run, RunState.FAILED, message, now)


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
