"""Making a candidate the champion: alias, pods, and back when the pods do not come up. Pure.

An open promotion is an obligation: the active Service remembers it from before the alias moves
until alias and pods agree again, whatever becomes of the policy. A rollback is one, too: it
promotes the champion before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from taxi_domain.errors import TaxiError
from taxi_domain.kube import GROUP, MODEL_VERSION_ANNOTATION
from taxi_domain.models import ModelState
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.memory.looks import Looks
from taxi_operator.memory.obligations import PROMOTION_ANNOTATION, OpenPromotion
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Status
from taxi_operator.plan.candidate import candidate_of
from taxi_operator.plan.effects import AnnotatePods, AnnotateService, Effect, MoveAlias, SetState
from taxi_operator.plan.plan import Note, Plan, ended, unobserved
from taxi_operator.plan.seen import NOTHING_DONE, Done, SeenRun
from taxi_operator.spec.freeze import frozen_until
from taxi_operator.spec.policy import Observation, Policy
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
    blocked = blocked_by(policy, key, seen.deployment, seen.promotion)
    if blocked:
        return Plan(status, problem=TaxiError(blocked))
    promotion = OpenPromotion(
        policy=key.name, policy_uid=key.uid, service=policy.service, model=policy.model,
        deployment=policy.deployment, candidate=version, champion=champion,
        number=run.number, attempt=run.attempt, job_name=run.job_name, since=seen.now,
    )  # fmt: skip
    observation = run.observation_by(policy)
    note = Note("CandidateBetter", f"decision {run.number}: {version}: {report.message}")
    if observation is not None and seen.lost:
        observation = None
        note = Note("NotObservable", f"{note.message}; it is not observed: {seen.lost}", True)
    promoting = replace(promotion.run(run), message=report.message, observation=observation)
    return Plan(
        replace(status, run=promoting, candidate=candidate_of(report, "Promoting")),
        then=forward(promotion, report.message),
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
        pods = _pods_back(case, actual) if actual is not None else ()
        return _undone(case, message, (*_left_by_hand(case, actual, message), *pods))
    limit = _longest_rollout(seen.deployment)
    is_late = seen.now - promotion.since > limit
    is_told = _told(seen.deployment).items() >= _pods_of(promotion).items()
    if seen.deployment is not None and not is_told and not is_late:
        return Plan(replace(status, run=run), then=forward(promotion, run.message)[2:])
    problem = rollout_problem(seen.deployment)
    if not problem and is_told and rolled_out(seen.deployment):
        return _arrived(case, is_served=may_begin)
    if not problem and is_late:
        problem = f"not ready after {limit:.0f} s"
    if problem:
        return _back(case, problem)
    # Of an older release, or recalled from the Service: written down for the next look.
    return Plan(replace(status, run=run))


def _left_by_hand(case: _Case, actual: str | None, message: str) -> tuple[Effect, ...]:
    """Mark a candidate that was taken back: the way back must not lead forward to it again."""
    promotion = case.promotion
    left = promotion.rollback is None and _was_moved(promotion, case.seen.alias)
    if not left or actual != promotion.champion:
        return ()
    return (SetState(promotion.candidate, ModelState.REJECTED, message),)


def _arrived(case: _Case, *, is_served: bool) -> Plan:
    """Return what follows once all pods have the candidate: its end, or its observation."""
    promotion, run, now = case.promotion, case.run, case.seen.now
    status = replace(case.status, reset_at=now).forgotten()
    if promotion.rollback is not None:
        message = f"{run.message}; {run.champion} is the champion again, and not {run.candidate}"
        shown = status.candidate or {}
        if shown.get("version") == run.candidate:
            status = replace(
                status, candidate={**shown, "state": "RolledBack", "message": run.message}
            )
        over = ended(status, run, RunState.ROLLED_BACK, message, now)
        left = SetState(promotion.champion, ModelState.REJECTED, run.message)
        return replace(over, first=(left, _forget(promotion)))
    if run.observation is None:
        status = replace(status, candidate={**(status.candidate or {}), "state": "Promoted"})
        over = ended(status, run, RunState.PROMOTED, run.message, now)
    elif case.seen.lost or not is_served:
        over = unobserved(status, run, case.seen.lost or "its policy does not act any more", now)
    else:
        over = _observed_from_now_on(status, run, run.observation, now)
    return replace(over, first=(_forget(promotion),))


def _observed_from_now_on(status: Status, run: Run, settings: Observation, now: float) -> Plan:
    """Begin to observe. The promotion is over: it stands, whatever becomes of the policy."""
    looks = Looks(since=now, at=now + settings.for_seconds)
    message = f"{run.candidate} serves; its error is looked at {text_of(looks.at)}"
    observing = replace(run, state=RunState.OBSERVING, looks=looks, message=message)
    candidate = {**(status.candidate or {}), "state": "Observing"}
    note = Note("ObservationStarted", f"decision {run.number}: {message}")
    return Plan(replace(status, run=observing, candidate=candidate), note=note)


def blocked_by(
    policy: Policy,
    key: PolicyKey,
    deployment: Mapping[str, Any] | None,
    other: OpenPromotion | None,
) -> str:
    """Return why no version can be promoted, whatever it is; empty when one can.

    A candidate is not begun with then, and so not blamed for it.
    """
    name = policy.deployment
    if deployment is None:
        return f"Deployment {name}: is not there; the candidate waits for it"
    if (deployment.get("spec") or {}).get("paused"):
        return f"Deployment {name}: is paused, and the candidate waits; resume its rollout"
    if other is not None and other.policy_uid != key.uid:
        return (
            f"Service {policy.service}: the promotion of {other.candidate}, which policy "
            f"{other.policy} began, is still open; it ends or goes back by itself"
        )
    return ""


def is_ours(promotion: OpenPromotion, alias: AliasEntry | None) -> bool:
    """Tell whether the registry knows of a promotion that only a Service speaks of."""
    return alias is not None and (
        alias.version == promotion.champion
        or {promotion.candidate, promotion.champion} == {alias.version, alias.previous}
    )


def forward(promotion: OpenPromotion, message: str) -> tuple[Effect, ...]:
    """Return what makes a candidate the champion: the note on the Service comes first."""
    again = "" if promotion.rollback is None else "is the champion again: "
    return (
        AnnotateService(promotion.service, {PROMOTION_ANNOTATION: promotion.text}),
        MoveAlias(promotion.model, to=promotion.candidate, expected=promotion.champion),
        SetState(promotion.candidate, ModelState.ACCEPTED, again + message),
        AnnotatePods(promotion.deployment, _pods_of(promotion)),
    )


def _pods_of(promotion: OpenPromotion) -> dict[str, str]:
    """Return the annotations by which the pods of a candidate are told.

    Of a rollback the version alone would be a template that was there before.
    """
    version = {MODEL_VERSION_ANNOTATION: promotion.candidate}
    if promotion.rollback is None:
        return version
    return {**version, ROLLED_BACK_ANNOTATION: promotion.job_name}


def _was_moved(promotion: OpenPromotion, alias: AliasEntry | None) -> bool:
    """Tell whether the alias has been on the candidate, and left it by one move since."""
    if alias is None:
        return False
    if promotion.revision is not None:
        return alias.revision != promotion.revision
    return alias.previous == promotion.candidate


def _begun_again(case: _Case, actual: str | None) -> Plan:
    """Move the alias, which a crash or a conflict kept where it was."""
    promotion, status, run = case.promotion, case.status, case.run
    if actual == promotion.champion and case.seen.now - promotion.since <= _MAX_ROLLOUT:
        return Plan(replace(status, run=run), then=forward(promotion, run.message))
    if actual == promotion.champion:
        # Nothing moved in all that time, so neither alias, pods nor candidate are touched.
        message = f"the alias could not be moved to {promotion.candidate} in time"
        return _came_to_nothing(case, message, {})
    message = (
        f"the champion is {actual} and not {promotion.champion}, which the candidate "
        f"{promotion.candidate} was compared with"
    )
    if promotion.rollback is not None:
        return _came_to_nothing(case, message, {})
    first = (SetState(promotion.candidate, ModelState.REJECTED, message),)
    return _came_to_nothing(case, message, {"state": "Refused"}, first, RunState.REFUSED)


def _back(case: _Case, problem: str) -> Plan:
    """Undo a promotion whose pods do not become ready; the old ones serve all the time."""
    promotion = case.promotion
    refused = SetState(promotion.candidate, ModelState.REJECTED, problem)
    first = (
        MoveAlias(promotion.model, to=promotion.champion, expected=promotion.candidate),
        # What was the champion before may be well: it can be asked for again.
        *((refused,) if promotion.rollback is None else ()),
        *_pods_back(case, promotion.champion),
    )
    message = f"{promotion.deployment} did not roll out: {problem}; {promotion.champion} is back"
    return _undone(case, message, first)


def _lost(case: _Case, problem: str) -> Plan:
    """End a run whose candidate went away; alias and pods that a crash left on it go back."""
    promotion, alias = case.promotion, case.seen.alias
    first: list[Effect] = []
    if alias is not None and (alias.version == promotion.candidate or _was_moved(promotion, alias)):
        back = alias.version
        if back == promotion.candidate:
            back = promotion.champion
            first.append(MoveAlias(promotion.model, to=back, expected=promotion.candidate))
        # Also when the alias left it by hand, or by us before a crash.
        first.extend(_pods_back(case, back))
    return _came_to_nothing(case, problem, {"state": "Refused"}, tuple(first))


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
    return _came_to_nothing(case, message, {"state": "RolledBack", "message": message}, first)


def _came_to_nothing(
    case: _Case,
    message: str,
    shown: Mapping[str, str],
    first: tuple[Effect, ...] = (),
    state: RunState = RunState.FAILED,
) -> Plan:
    """End a promotion, or a rollback, that came to nothing.

    Args:
        case: It.
        message: Why.
        shown: Of the candidate; a rollback that fails leaves it the champion.
        first: What has to be done before it ends.
        state: Of the run.
    """
    status, before = case.status, case.status.candidate or {}
    if case.promotion.rollback is not None:
        shown = {"state": "Promoted"} if before.get("version") == case.run.candidate else {}
    status = replace(status, candidate={**before, **shown})
    over = ended(status, case.run, state, message, case.seen.now)
    return replace(over, first=(*first, _forget(case.promotion)))


def _forget(promotion: OpenPromotion) -> Effect:
    return AnnotateService(promotion.service, {PROMOTION_ANNOTATION: None})


def _told(deployment: Mapping[str, Any] | None) -> Mapping[str, str]:
    """Return the annotations of a Deployment's pod template."""
    metadata = (((deployment or {}).get("spec") or {}).get("template") or {}).get("metadata") or {}
    return metadata.get("annotations") or {}


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
