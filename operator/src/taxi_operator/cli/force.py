"""`taxi-policy force` and `unforce`: the traffic goes where a person wants it, for a while."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from taxi_domain.errors import FieldError
from taxi_operator.cli.asking import (
    Document,
    TakenUp,
    ask,
    part_of,
    status_of,
    tell,
    user_of,
    was_looked_at,
)
from taxi_operator.cli.options import By, Name, Namespace, Wait, errors
from taxi_operator.core.decisions import Traffic
from taxi_operator.spec.durations import seconds_of
from taxi_operator.spec.orders import MAX_REASON
from taxi_operator.spec.policy import Mode
from taxi_operator.times import text_of

#: Longer than that is a change of the policy, seconds.
_MAX_SECONDS: Final = 7 * 86_400.0

Where = Annotated[Traffic, typer.Option("--to", help="Who answers.")]
Long = Annotated[str, typer.Option("--for", help="How long, as 30m or 2h; at most 168h.")]
Reason = Annotated[str, typer.Option(help="Why, for the history.")]


def force(  # noqa: PLR0913, PLR0917 - one for each option
    name: Name, to: Where, reason: Reason, long: Long = "1h", namespace: Namespace = "",
    wait: Wait = False, by: By = "",
) -> None:  # fmt: skip
    """Send the traffic to one of the two for a while, whatever the rules say.

    Only to ready pods; an unavailable champion is left all the same.
    """

    def change(_policy: Document, now: float) -> Mapping[str, Any]:
        until = text_of(now + seconds)
        text = f"{reason} ({user_of(by)})"
        return {"forceTraffic": {"to": str(to), "until": until, "reason": text[:MAX_REASON]}}

    with errors():
        seconds = seconds_of(long, "--for")
        if not 0 < seconds <= _MAX_SECONDS:
            raise FieldError("--for", f"{long} is out of bounds", "give up to 168h")
        changed = ask(namespace, name, change, _moved if wait else None)
        until = changed["spec"]["forceTraffic"]["until"]
        tell(f"{name}: spec.forceTraffic is {to} until {until}", *_consequences(changed, to))
        if wait:
            tell(f"it was taken up: {part_of(changed, 'traffic').get('active')} answers")


def unforce(name: Name, namespace: Namespace = "", wait: Wait = False) -> None:
    """Let the rules decide again."""
    with errors():
        changed = ask(
            namespace, name, lambda _policy, _now: {"forceTraffic": None},
            (lambda _changed: was_looked_at) if wait else None,
        )  # fmt: skip
        tell(f"{name}: spec.forceTraffic is gone; rules, pauses and limits decide again")
        if wait:
            active = part_of(changed, "traffic").get("active", Traffic.CHAMPION)
            tell(f"it was taken up: {active} answers")


def _moved(changed: Document) -> TakenUp:
    to = changed["spec"]["forceTraffic"]["to"]

    def after(policy: Document) -> bool:
        return was_looked_at(policy) and part_of(policy, "traffic").get("active") == to

    return after


def _consequences(policy: Document, to: Traffic) -> list[str]:
    mode = policy["spec"].get("mode", Mode.ENFORCE)
    if mode != Mode.ENFORCE:
        return [f"spec.mode is {mode}: nothing is carried out"]
    if part_of(policy, "traffic").get("active", Traffic.CHAMPION) == to:
        return [f"{to} answers already, and stays"]
    known = status_of(policy).get("conditions") or ()
    reasons = [one.get("reason") for one in known if one.get("type") == "FallbackActive"]
    if f"{to}NotReady" in reasons:
        return [f"no pod of {to} is ready: it waits for one"]
    return ["it moves at the next look"]
