"""A signal of a policy: queries, when it is breached, when it is healthy again. Pure."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from taxi_domain.errors import FieldError
from taxi_operator.spec import bounds
from taxi_operator.spec.presets import filled

Spec = Mapping[str, Any]

_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "Greater": operator.gt,
    "GreaterOrEqual": operator.ge,
    "Less": operator.lt,
    "LessOrEqual": operator.le,
}
#: So that noise around a threshold moves nothing; the schema has the same.
_ENTER_FOR: Final = "5m"
_EXIT_FOR: Final = "15m"


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison that must hold for some time (seconds)."""

    op: str
    value: float
    for_seconds: float

    def holds(self, value: float) -> bool:
        """Tell whether one value satisfies it."""
        return _COMPARE[self.op](value, self.value)


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal: queries, when it is breached, when it is healthy again."""

    name: str
    promql: str
    freshness_promql: str
    max_age_seconds: float
    explain_promql: str
    enter: Condition
    exit: Condition
    min_samples_promql: str
    min_samples: float


def signals_of(spec: Spec, namespace: str, model: str) -> tuple[Signal, ...]:
    """Read the signals of a spec.

    Args:
        spec: The spec.
        namespace: Where the policy is, for presets.
        model: Its model, for presets.

    Raises:
        FieldError: names what cannot be used.
    """
    found = []
    for one in spec["signals"]:
        field = f"spec.signals[{one['name']}]"
        found.append(_signal(filled(one, field, namespace, model), field))
    return tuple(found)


def _signal(one: Spec, field: str) -> Signal:
    if one.get("onNoData", "Hold") != "Hold":
        raise FieldError(
            f"{field}.onNoData", "can only be Hold: a policy never acts on silence",
            "remove it, and alert on absence in Alertmanager",
        )  # fmt: skip
    samples = one.get("minSamples") or {}
    asked = bool(samples)
    enter = _condition(one["enter"], "signals.enter.for", _ENTER_FOR, f"{field}.enter.for")
    leave = _condition(one["exit"], "signals.exit.for", _EXIT_FOR, f"{field}.exit.for")
    if not _are_apart(enter, leave):
        raise FieldError(
            f"{field}.exit", f"is not on the healthy side of enter ({enter.op} {enter.value:g})",
            "give the other direction, and a value at which nothing is breached",
        )  # fmt: skip
    return Signal(
        name=one["name"],
        promql=bounds.query(one, "promql", field),
        freshness_promql=bounds.query(one, "freshnessPromql", field, optional=True),
        max_age_seconds=bounds.number(one, "signals.maxAgeSeconds", 120, f"{field}.maxAgeSeconds"),
        explain_promql=bounds.query(one, "explainPromql", field, optional=True),
        enter=enter,
        exit=leave,
        min_samples_promql=(
            bounds.query(samples, "promql", f"{field}.minSamples") if asked else ""
        ),
        min_samples=(
            bounds.number(samples, "signals.minSamples.value", 0, f"{field}.minSamples.value")
            if asked
            else 0
        ),
    )


def _are_apart(enter: Condition, leave: Condition) -> bool:
    if enter.op.startswith("Greater"):
        return leave.op.startswith("Less") and leave.value <= enter.value
    return leave.op.startswith("Greater") and leave.value >= enter.value


def _condition(one: Spec, path: str, default: str, field: str) -> Condition:
    return Condition(one["op"], float(one["value"]), bounds.duration(one, path, default, field))
