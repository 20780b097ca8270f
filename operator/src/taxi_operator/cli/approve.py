"""`taxi-policy approve`: name the candidate that may be promoted."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from taxi_domain.errors import TaxiError
from taxi_operator.cli.asking import Document, TakenUp, ask, part_of, tell
from taxi_operator.cli.options import Name, Namespace, Wait, errors
from taxi_operator.memory.run import RunState

Version = Annotated[
    str, typer.Argument(metavar="[VERSION]", help="The candidate; the one that waits else.")
]


def approve(
    name: Name, version: Version = "", namespace: Namespace = "", wait: Wait = False
) -> None:
    """Approve the candidate that waits for it, by its version: the digest of what is in it."""

    def change(policy: Document, _now: float) -> Mapping[str, Any]:
        return {"approvedCandidate": candidate_that_waits(name, policy, version)}

    with errors():
        changed = ask(namespace, name, change, _taken_up if wait else None)
        tell(
            f"{name}: spec.approvedCandidate is {changed['spec']['approvedCandidate']}",
            "it is promoted at the next look, unless its verdict is too old or a window is frozen",
        )
        if wait:
            run = part_of(changed, "run")
            tell(f"it was taken up: the run is {run.get('state')} {run.get('message', '')}")


def candidate_that_waits(name: str, policy: Document, version: str) -> str:
    """Return the version that waits.

    Raises:
        TaxiError: none waits, or another one.
    """
    run, candidate = part_of(policy, "run"), part_of(policy, "candidate")
    waiting = str(candidate.get("version") or "")
    if run.get("state") != RunState.AWAITING_APPROVAL or not waiting:
        state = run.get("state") or "there is none"
        raise TaxiError(f"{name}: no candidate waits for approval; the run: {state}")
    if version and version != waiting:
        raise TaxiError(f"{name}: {waiting} waits for approval, and not {version}; look at it anew")
    return waiting


def _taken_up(changed: Document) -> TakenUp:
    number = part_of(changed, "run").get("number")

    def after(policy: Document) -> bool:
        run = part_of(policy, "run")
        return run.get("number") != number or run.get("state") != RunState.AWAITING_APPROVAL

    return after
