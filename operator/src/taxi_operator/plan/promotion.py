"""Making a candidate the champion: alias, pods, and back when the pods do not come up. Pure.

An open promotion is an obligation: the active Service remembers it from before the alias moves
until alias and pods agree again, whatever becomes of the policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from taxi_domain.errors import TaxiError
from taxi_domain.kube import GROUP, MODEL_VERSION_ANNOTATION
from taxi_domain.models import ModelState
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.memory.obligations import PROMOTION_ANNOTATION, OpenPromotion
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Status
from taxi_operator.plan.candidate import candidate_of
from taxi_operator.plan.effects import AnnotatePods, AnnotateService, Effect, MoveAlias, SetState
from taxi_operator.plan.plan import Note, Plan, ended
from taxi_operator.plan.seen import NOTHING_DONE, Done, SeenRun
from taxi_operator.spec.freeze import frozen_until
from taxi_operator.spec.policy import Policy
from taxi_operator.times import text_of
from taxi_store.registry.entries import AliasEntry
from taxi_store.registry.runs import RunEntry

#: Names the Job whose candidate was taken back; set on the pod template beside the version.
ROLLED_BACK_ANNOTATION: Final = f"{GROUP}/rolled-back"
#: A promotion ends within this, or within the Deployment's own deadline and some more, seconds.
_MAX_ROLLOUT: Final = 900.0
_PROGRESS_MARGIN: Final = 300.0


@dataclass(frozen=True, slots=True)
class _Case:
    """An open promotion with all that its next step follows from."""

    promotion: OpenPromotion
    status: Status
    run: Run
    seen: SeenRun


def begun(
    policy: Policy, key: PolicyKey, status: Status, run: Run, report: RunEntry, seen: SeenRun
) -> Plan:
    """Return the step that begins to promote the candidate of a report."""
    version, champion = report.candidate, report.champion
    if version is None or champion is None:
        message = f"run {report.run_id}: reports Better, but names no candidate or no champion"
        return ended(status, run, RunState.FAILED, message, seen.now)
    age = seen.now - (report.finished_at or report.started_at).timestamp()
    if age > (run.gate or policy.gate).max_verdict_age:
        message = f"the verdict on {version} is {age / 3600:.0f} h old: the data went on"
        refused = replace(status, candidate=candidate_of(report, "Refused"))
        return ended(refused, run, RunState.FAILED, message, seen.now)
    held = _held(policy, status, run, report, version, seen.now)
    if held is not None:
        return held
    blocked = _rollout_blocked(policy.deployment, seen.deployment)
    if blocked:
        return Plan(status, problem=TaxiError(blocked))
    other = seen.promotion
    if other is not None and other.policy_uid != key.uid:
        problem = TaxiError(
            f"Service {policy.service}: the promotion of {other.candidate}, which policy "
            f"{other.policy} began, is still open; it ends or goes back by itself"
        )
        return Plan(status, problem=problem)
    promotion = OpenPromotion(
        policy=key.name, policy_uid=key.uid, service=policy.service, model=policy.model,
        deployment=policy.deployment, candidate=version, champion=champion,
        number=run.number, attempt=run.attempt, job_name=run.job_name, since=seen.now,
    )  # fmt: skip
    promoting = replace(promotion.run(run), message=report.message)
    note = Note("CandidateBetter", f"decision {run.number}: {version}: {report.message}")
    return Plan(
        replace(status, run=promoting, candidate=candidate_of(report, "Promoting")),
        then=_forward(promotion, report.message),
        note=note,
    )


def _held(
    policy: Policy, status: Status, run: Run, report: RunEntry, version: str, now: float
) -> Plan | None:  # fmt: skip
    """Return the wait for what has to come before the promotion; None when nothing has to."""
    frozen = frozen_until(policy.freeze_windows, now)
    if (run.gate or policy.gate).asks_for_approval and policy.approved != version:
        state, reason = RunState.AWAITING_APPROVAL, "ApprovalNeeded"
        text = f"{version} waits for spec.approvedCandidate to name it (taxi-policy approve)"
    elif frozen is not None:
        state, reason = RunState.FROZEN, "PromotionFrozen"
        text = f"{version} waits for the end of a freeze window at {text_of(frozen)}"
    else:
        return None
    if run.state is state and run.message == text:
        return Plan(status)
    waiting = replace(status, candidate=candidate_of(report, str(state)))
    return Plan(
        replace(waiting, run=replace(run, state=state, message=text)),
        note=Note(reason, f"decision {run.number}: {text}. {report.message}"),
    )


def carried_on(
    promotion: OpenPromotion,
    status: Status,
    seen: SeenRun,
    done: Done = NOTHING_DONE,
    *,
    may_begin: bool = False,
) -> Plan:
    """Return the next step of an open promotion, with its policy or without.

    It ends in any case: a rollout that neither succeeds nor fails, as that of a paused Deployment,
    is taken back after its time.

    Args:
        promotion: What is promoted.
        status: Of its policy, or an empty one.
        seen: Alias, Deployment, and what the Service remembers.
        done: What became of the last step's effects.
        may_begin: The alias may still be moved: the policy is served, and enforces.
    """
    run = promotion.run(status.run)
    case = _Case(promotion, status, run, seen)
    if done.lost:
        return _lost(case, done.lost)
    actual = seen.alias.version if seen.alias else None
    if actual != promotion.candidate:
        if may_begin and not _was_moved(promotion, seen.alias):
            return _begun_again(case, actual)
        # Moved back by hand, or by us before a crash: the pods follow the alias.
        message = f"the champion is {actual} and not the candidate {promotion.candidate}"
        return _undone(case, message, _pods_back(case, actual) if actual is not None else ())
    limit = _longest_rollout(seen.deployment)
    is_late = seen.now - promotion.since > limit
    has_version = _version_of(seen.deployment) == promotion.candidate
    if seen.deployment is not None and not has_version and not is_late:
        return Plan(replace(status, run=run), then=_forward(promotion, run.message)[2:])
    problem = rollout_problem(seen.deployment)
    if not problem and has_version and rolled_out(seen.deployment):
        candidate = {**(status.candidate or {}), "state": "Promoted"}
        status = replace(status, candidate=candidate, reset_at=seen.now).forgotten()
        over = ended(status, run, RunState.PROMOTED, run.message, seen.now)
        return replace(over, first=(_forget(promotion),))
    if not problem and is_late:
        problem = f"not ready after {limit:.0f} s"
    if problem:
        return _back(case, problem)
    # Of an older release, or recalled from the Service: written down for the next look.
    return Plan(replace(status, run=run))


def _rollout_blocked(name: str, deployment: Mapping[str, Any] | None) -> str:
    """Return why a Deployment cannot roll, whatever the candidate is; empty when it can.

    A candidate is not begun with then, and so not blamed for it.
    """
    if deployment is None:
        return f"Deployment {name}: is not there; the candidate waits for it"
    if (deployment.get("spec") or {}).get("paused"):
        return f"Deployment {name}: is paused, and the candidate waits; resume its rollout"
    return ""


def is_ours(promotion: OpenPromotion, alias: AliasEntry | None) -> bool:
    """Tell whether the registry knows of a promotion that only a Service speaks of."""
    return alias is not None and (
        alias.version == promotion.champion
        or {promotion.candidate, promotion.champion} == {alias.version, alias.previous}
    )


def _forward(promotion: OpenPromotion, message: str) -> tuple[Effect, ...]:
    """Return what makes a candidate the champion: the note on the Service comes first."""
    return (
        AnnotateService(promotion.service, {PROMOTION_ANNOTATION: promotion.text}),
        MoveAlias(promotion.model, to=promotion.candidate, expected=promotion.champion),
        SetState(promotion.candidate, ModelState.ACCEPTED, message),
        AnnotatePods(promotion.deployment, {MODEL_VERSION_ANNOTATION: promotion.candidate}),
    )


def _was_moved(promotion: OpenPromotion, alias: AliasEntry | None) -> bool:
    """Tell whether the alias has been on the candidate, and left it by one move since."""
    return alias is not None and alias.previous == promotion.candidate


def _begun_again(case: _Case, actual: str | None) -> Plan:
    """Move the alias, which a crash or a conflict kept where it was."""
    promotion, status, run = case.promotion, case.status, case.run
    if actual == promotion.champion and case.seen.now - promotion.since <= _MAX_ROLLOUT:
        return Plan(replace(status, run=run), then=_forward(promotion, run.message))
    if actual == promotion.champion:
        # Nothing moved in all that time, so neither alias, pods nor candidate are touched.
        message = f"the alias could not be moved to {promotion.candidate} in time"
        over = ended(status, run, RunState.FAILED, message, case.seen.now)
        return replace(over, first=(_forget(promotion),))
    message = (
        f"the champion is {actual} and not {promotion.champion}, which the candidate "
        f"{promotion.candidate} was compared with"
    )
    refused = replace(status, candidate={**(status.candidate or {}), "state": "Refused"})
    first = (SetState(promotion.candidate, ModelState.REJECTED, message), _forget(promotion))
    return replace(ended(refused, run, RunState.REFUSED, message, case.seen.now), first=first)


def _back(case: _Case, problem: str) -> Plan:
    """Undo a promotion whose pods do not become ready; the old ones serve all the time."""
    promotion = case.promotion
    first = (
        MoveAlias(promotion.model, to=promotion.champion, expected=promotion.candidate),
        SetState(promotion.candidate, ModelState.REJECTED, problem),
        *_pods_back(case, promotion.champion),
    )
    message = f"{promotion.deployment} did not roll out: {problem}; {promotion.champion} is back"
    return _undone(case, message, first)


def _lost(case: _Case, problem: str) -> Plan:
    """End a run whose candidate went away; alias and pods that a crash left on it go back."""
    promotion, alias = case.promotion, case.seen.alias
    first: list[Effect] = []
    if alias is not None and promotion.candidate in {alias.version, alias.previous}:
        back = alias.version
        if back == promotion.candidate:
            back = promotion.champion
            first.append(MoveAlias(promotion.model, to=back, expected=promotion.candidate))
        # Also when the alias left it by hand, or by us before a crash.
        first.extend(_pods_back(case, back))
    first.append(_forget(promotion))
    refused = replace(case.status, candidate={**(case.status.candidate or {}), "state": "Refused"})
    over = ended(refused, case.run, RunState.FAILED, problem, case.seen.now)
    return replace(over, first=tuple(first))


def _pods_back(case: _Case, version: str) -> tuple[Effect, ...]:
    """Replace all pods: one of the old template may have loaded the candidate meanwhile.

    With the version alone the template would be the old one again, and its pods would stay.
    A Deployment that is gone has none.
    """
    if case.seen.deployment is None:
        return ()
    annotations = {
        MODEL_VERSION_ANNOTATION: version, ROLLED_BACK_ANNOTATION: case.promotion.job_name,
    }  # fmt: skip
    return (AnnotatePods(case.promotion.deployment, annotations),)


def _undone(case: _Case, message: str, first: tuple[Effect, ...]) -> Plan:
    """End a promotion that came to nothing."""
    candidate = {**(case.status.candidate or {}), "state": "RolledBack", "message": message}
    undone = replace(case.status, candidate=candidate)
    over = ended(undone, case.run, RunState.FAILED, message, case.seen.now)
    return replace(over, first=(*first, _forget(case.promotion)))


def _forget(promotion: OpenPromotion) -> Effect:
    return AnnotateService(promotion.service, {PROMOTION_ANNOTATION: None})


def _version_of(deployment: Mapping[str, Any] | None) -> str | None:
    """Return the model version that a Deployment's pod template names."""
    metadata = (((deployment or {}).get("spec") or {}).get("template") or {}).get("metadata") or {}
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
