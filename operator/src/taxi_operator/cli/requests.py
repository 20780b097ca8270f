"""`taxi-policy retrain`, `abort` and `rollback`: a new word in the spec asks once."""

from collections.abc import Mapping
from typing import Any

from taxi_domain.errors import TaxiError
from taxi_operator.cli.asking import TakenUp, ask, part_of, tell, word_of
from taxi_operator.cli.options import By, Name, Namespace, Wait, errors
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Document
from taxi_operator.memory.status_document import status_of
from taxi_operator.spec.orders import ABORT, REQUESTS, RETRAIN, ROLLBACK
from taxi_operator.spec.policy import Mode


def retrain(name: Name, namespace: Namespace = "", wait: Wait = False, by: By = "") -> None:
    """Ask for a retrain run, whatever rules and pause say; maxPerDay counts it."""
    _request(name, namespace, RETRAIN, by, wait=wait)


def abort(name: Name, namespace: Namespace = "", wait: Wait = False, by: By = "") -> None:
    """Ask to give the open run up, and to end its Job; a promotion that was begun goes on."""
    _request(name, namespace, ABORT, by, wait=wait)


def rollback(name: Name, namespace: Namespace = "", wait: Wait = False, by: By = "") -> None:
    """Ask to make the version before the champion again, signals and pods with it."""
    _request(name, namespace, ROLLBACK, by, wait=wait)


def _request(name: str, namespace: str, what: str, by: str, *, wait: bool) -> None:
    field = REQUESTS[what]

    def change(policy: Document, now: float) -> Mapping[str, Any]:
        if "requests" not in (policy.get("status") or {}):
            raise TaxiError(
                f"{name}: no operator has looked at it yet, and what is asked before that is taken "
                "for old; wait until it has a status"
            )
        return {field: word_of(by, now)}

    with errors():
        changed = ask(namespace, name, change, _taken_up(what, field) if wait else None)
        word = changed["spec"][field]
        tell(f"{name}: spec.{field} is {word}", *consequences(changed, what))
        if wait:
            refused = part_of(changed, "requests").get("refused") if what == ROLLBACK else None
            if refused:
                raise TaxiError(f"{name}: {refused}")
            tell(f"it was taken up: {_told(changed)}")


def _taken_up(what: str, field: str) -> Any:
    def after(changed: Document) -> TakenUp:
        word = changed["spec"][field]
        return lambda policy: part_of(policy, "requests").get(what) == word

    return after


def consequences(policy: Document, what: str) -> list[str]:
    """Return what follows, as far as it is known."""
    mode = policy["spec"].get("mode", Mode.ENFORCE)
    if mode != Mode.ENFORCE:
        return [f"spec.mode is {mode}: nothing is carried out"]
    run = status_of(policy.get("status")).run
    if run is not None and not run.is_open:
        run = None
    if what == RETRAIN:
        if run is not None:
            return [f"the run of decision {run.number} is {run.state}: the next one follows it"]
        return ["a run starts at the next look, unless maxPerDay is used up"]
    if what == "abort":
        return [_abortion(run)]
    return ["the version before becomes the champion: alias, pods, and signals anew"]


def _abortion(run: Run | None) -> str:
    if run is None:
        return "no run is open: there is nothing to give up"
    if run.is_moving:
        return f"{run.candidate} is {run.state}: that ends, or goes back, by itself"
    if run.state is RunState.OBSERVING:
        return f"{run.candidate} stays, and is not observed any more"
    return f"the run of decision {run.number} is given up, and Job {run.job_name} ended"


def _told(policy: Document) -> str:
    decision, run = part_of(policy, "decision"), part_of(policy, "run")
    return (
        f"decision {decision.get('number', 0)} {decision.get('action', 'none')}, "
        f"run {run.get('number', 0)} {run.get('state', 'none')} {run.get('message', '')}"
    ).rstrip()
