"""A DriftPolicy's spec as values. The CRD's schema checks it first; what it cannot, is here."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from taxi_domain.errors import FieldError
from taxi_domain.models import MODEL_NAME
from taxi_operator.durations import seconds_of
from taxi_operator.texts import cut

Spec = Mapping[str, Any]

_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "Greater": operator.gt,
    "GreaterOrEqual": operator.ge,
    "Less": operator.lt,
    "LessOrEqual": operator.le,
}
#: What the Job takes.
_LEAST_CONFIDENCE: Final = 0.5
_MOST_CONFIDENCE: Final = 0.999


class Mode(StrEnum):
    """Whether decisions are carried out."""

    ENFORCE = "Enforce"
    DRY_RUN = "DryRun"
    SUSPEND = "Suspend"


class OnNoData(StrEnum):
    """What missing data stands for."""

    HOLD = "Hold"
    BREACH = "Breach"
    HEALTHY = "Healthy"


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
    on_no_data: OnNoData


@dataclass(frozen=True, slots=True)
class Rule:
    """Any of these groups, all signals of a group."""

    any_of: tuple[frozenset[str], ...] = ()

    @property
    def signals(self) -> frozenset[str]:
        """All signals that the rule names."""
        return frozenset().union(*self.any_of)


@dataclass(frozen=True, slots=True)
class Retrain:
    """How retrain Jobs are started, tried again and limited."""

    cron_job: str
    deadline_seconds: int | None
    attempts: int
    initial_backoff: float
    factor: float
    max_backoff: float
    cooldown_success: float
    cooldown_failure: float
    max_runs: int
    window_seconds: float


@dataclass(frozen=True, slots=True)
class Gate:
    """What the train Job asks of a candidate; texts, as they go to its command line."""

    min_labelled_rows: int
    min_relative_gain: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Fallback:
    """When and how the traffic moves."""

    deployment: str
    min_ready: int
    restore_automatically: bool
    min_dwell_seconds: float


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked spec."""

    mode: Mode
    model: str
    deployment: str
    service: str
    prometheus_url: str
    prometheus_timeout: float
    interval_seconds: float
    settle_seconds: float
    signals: tuple[Signal, ...]
    retrain_rule: Rule
    fallback_rule: Rule
    retrain: Retrain | None
    gate: Gate
    fallback: Fallback | None


def policy_of(spec: Spec) -> Policy:
    """Read a spec.

    Raises:
        FieldError: names the field that cannot be used.
    """
    try:
        return _policy(spec)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FieldError(
            "spec", f"is not complete ({cut(repr(error), 200)})", "see docs/drift-policy.md"
        ) from error


def _policy(spec: Spec) -> Policy:
    target, prometheus = spec["target"], spec["prometheus"]
    evaluation = spec.get("evaluation") or {}
    rules = spec.get("rules") or {}
    signals = tuple(_signal(one, f"spec.signals[{one['name']}]") for one in spec["signals"])
    policy = Policy(
        mode=Mode(spec.get("mode", Mode.ENFORCE)),
        model=spec.get("modelName", MODEL_NAME),
        deployment=target["deploymentName"],
        service=target["activeServiceName"],
        prometheus_url=prometheus["url"].rstrip("/"),
        prometheus_timeout=float(prometheus.get("timeoutSeconds", 5)),
        interval_seconds=float(evaluation.get("intervalSeconds", 30)),
        settle_seconds=float(evaluation.get("settleSeconds", 30)),
        signals=signals,
        retrain_rule=_rule(rules.get("retrain")),
        fallback_rule=_rule(rules.get("fallback")),
        retrain=_retrain(spec["retrain"]) if spec.get("retrain") else None,
        gate=_gate((spec.get("gate") or {}).get("champion") or {}),
        fallback=_fallback(spec["fallback"]) if spec.get("fallback") else None,
    )
    _check(policy)
    return policy


def _check(policy: Policy) -> None:
    names = [one.name for one in policy.signals]
    if len(set(names)) != len(names):
        raise FieldError("spec.signals", "two have the same name", "give each its own name")
    for field, rule in (("retrain", policy.retrain_rule), ("fallback", policy.fallback_rule)):
        if unknown := rule.signals - set(names):
            raise FieldError(
                f"spec.rules.{field}", f"there is no signal {', '.join(sorted(unknown))}",
                "name signals of spec.signals",
            )  # fmt: skip
        if rule.any_of and getattr(policy, field) is None:
            raise FieldError(f"spec.{field}", "is missing", f"spec.rules.{field} needs it")


def _signal(one: Spec, field: str) -> Signal:
    samples = one.get("minSamples") or {}
    return Signal(
        name=one["name"],
        promql=one["promql"],
        freshness_promql=one.get("freshnessPromql", ""),
        max_age_seconds=float(one.get("maxAgeSeconds", 120)),
        explain_promql=one.get("explainPromql", ""),
        enter=_condition(one["enter"], f"{field}.enter"),
        exit=_condition(one["exit"], f"{field}.exit"),
        min_samples_promql=samples.get("promql", ""),
        min_samples=float(samples.get("value", 0)),
        on_no_data=OnNoData(one.get("onNoData", OnNoData.HOLD)),
    )


def _condition(one: Spec, field: str) -> Condition:
    return Condition(
        one["op"], float(one["value"]), seconds_of(one.get("for", "0s"), f"{field}.for")
    )


def _rule(one: Spec | None) -> Rule:
    groups: Sequence[Spec] = (one or {}).get("anyOf") or []
    return Rule(tuple(frozenset(group["allOf"]) for group in groups))


def _retrain(one: Spec) -> Retrain:
    attempts, cooldown = one.get("attempts") or {}, one.get("cooldown") or {}
    budget = one.get("budget") or {}

    def duration(group: Spec, group_name: str, name: str, default: str) -> float:
        return seconds_of(group.get(name, default), f"spec.retrain.{group_name}.{name}")

    return Retrain(
        cron_job=one["jobFrom"]["cronJobName"],
        deadline_seconds=one.get("activeDeadlineSeconds"),
        attempts=int(attempts.get("max", 3)),
        initial_backoff=duration(attempts, "attempts", "initialBackoff", "1m"),
        factor=float(attempts.get("factor", 2)),
        max_backoff=duration(attempts, "attempts", "maxBackoff", "1h"),
        cooldown_success=duration(cooldown, "cooldown", "afterSuccess", "6h"),
        cooldown_failure=duration(cooldown, "cooldown", "afterFailure", "1h"),
        max_runs=int(budget.get("maxRuns", 4)),
        window_seconds=duration(budget, "budget", "window", "24h"),
    )


def _gate(one: Spec) -> Gate:
    confidence = str(one.get("confidence", "0.95"))
    # A CRD of an older release lets through what the Job refuses.
    if not _LEAST_CONFIDENCE <= float(confidence) <= _MOST_CONFIDENCE:
        raise FieldError(
            "spec.gate.champion.confidence", f"{confidence} is out of bounds",
            f"give {_LEAST_CONFIDENCE} to {_MOST_CONFIDENCE}",
        )  # fmt: skip
    return Gate(
        int(one.get("minLabelledRows", 1000)),
        str(one.get("minRelativeGain", "0.02")),
        confidence,
    )


def _fallback(one: Spec) -> Fallback:
    return Fallback(
        one["deploymentName"],
        int(one.get("minReady", 1)),
        one.get("restore", "Automatic") == "Automatic",
        seconds_of(one.get("minDwell", "5m"), "spec.fallback.minDwell"),
    )
