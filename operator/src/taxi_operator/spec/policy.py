"""A DriftPolicy's spec as values. The CRD's schema checks it first; what it cannot, is here."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from taxi_domain.errors import FieldError
from taxi_domain.models import MODEL_NAME
from taxi_operator.spec import bounds
from taxi_operator.spec.addresses import address_of
from taxi_operator.texts import cut

Spec = Mapping[str, Any]

_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "Greater": operator.gt,
    "GreaterOrEqual": operator.ge,
    "Less": operator.lt,
    "LessOrEqual": operator.le,
}
#: What the limit of runs looks back on, seconds.
LIMIT_SECONDS: Final = 86_400.0
#: So that noise around a threshold moves nothing; the schema has the same.
_ENTER_FOR: Final = "5m"
_EXIT_FOR: Final = "15m"


class Mode(StrEnum):
    """Whether decisions are carried out."""

    ENFORCE = "Enforce"
    DRY_RUN = "DryRun"
    SUSPEND = "Suspend"


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
    pause_after_success: float
    pause_after_failure: float
    max_per_day: int


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
    #: In normal form; empty: the platform's server.
    prometheus_url: str
    #: Longest time of a query, seconds; None: the platform's.
    prometheus_timeout: float | None
    interval_seconds: float
    settle_seconds: float
    signals: tuple[Signal, ...]
    retrain_rule: Rule
    fallback_rule: Rule
    retrain: Retrain | None
    gate: Gate
    fallback: Fallback | None
    retains_traffic: bool


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


def retains(spec: object) -> bool:
    """Tell whether the traffic stays where it is when a policy is deleted."""
    return isinstance(spec, Mapping) and spec.get("deletionPolicy") == "Retain"


def _policy(spec: Spec) -> Policy:
    target, prometheus = spec["target"], spec.get("prometheus") or {}
    evaluation = spec.get("evaluation") or {}
    rules = spec.get("rules") or {}
    signals = tuple(_signal(one, f"spec.signals[{one['name']}]") for one in spec["signals"])
    policy = Policy(
        mode=Mode(spec.get("mode", Mode.ENFORCE)),
        model=spec.get("modelName", MODEL_NAME),
        deployment=target["deploymentName"],
        service=target["activeServiceName"],
        prometheus_url=_url(prometheus),
        prometheus_timeout=_timeout(prometheus),
        interval_seconds=bounds.number(evaluation, "evaluation.intervalSeconds", 30),
        settle_seconds=bounds.number(evaluation, "evaluation.settleSeconds", 30),
        signals=signals,
        retrain_rule=_rule(rules.get("retrain")),
        fallback_rule=_rule(rules.get("fallback")),
        retrain=_retrain(spec["retrain"]) if spec.get("retrain") else None,
        gate=_gate((spec.get("gate") or {}).get("champion") or {}),
        fallback=_fallback(spec["fallback"]) if spec.get("fallback") else None,
        retains_traffic=retains(spec),
    )
    _check(policy)
    return policy


def _check(policy: Policy) -> None:
    names = [one.name for one in policy.signals]
    if len(names) > bounds.MAX_SIGNALS:
        raise FieldError(
            "spec.signals", f"has {len(names)}", f"give at most {bounds.MAX_SIGNALS}"
        )  # fmt: skip
    if policy.fallback is not None and policy.fallback.deployment == policy.deployment:
        raise FieldError(
            "spec.fallback.deploymentName", "is the champion's Deployment",
            "name the fallback's; without one, leave spec.fallback out",
        )  # fmt: skip
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


def _url(prometheus: Spec) -> str:
    url = prometheus.get("url")
    return "" if url is None else address_of(url, "spec.prometheus.url")


def _timeout(prometheus: Spec) -> float | None:
    if prometheus.get("timeoutSeconds") is None:
        return None
    return bounds.number(prometheus, "prometheus.timeoutSeconds", 0)


def _signal(one: Spec, field: str) -> Signal:
    if one.get("onNoData", "Hold") != "Hold":
        raise FieldError(
            f"{field}.onNoData", "can only be Hold: a policy never acts on silence",
            "remove it, and alert on absence in Alertmanager",
        )  # fmt: skip
    samples = one.get("minSamples") or {}
    asked = bool(samples)
    return Signal(
        name=one["name"],
        promql=bounds.query(one, "promql", field),
        freshness_promql=bounds.query(one, "freshnessPromql", field, optional=True),
        max_age_seconds=bounds.number(one, "signals.maxAgeSeconds", 120, f"{field}.maxAgeSeconds"),
        explain_promql=bounds.query(one, "explainPromql", field, optional=True),
        enter=_condition(one["enter"], "signals.enter.for", _ENTER_FOR, f"{field}.enter.for"),
        exit=_condition(one["exit"], "signals.exit.for", _EXIT_FOR, f"{field}.exit.for"),
        min_samples_promql=(
            bounds.query(samples, "promql", f"{field}.minSamples") if asked else ""
        ),
        min_samples=(
            bounds.number(samples, "signals.minSamples.value", 0, f"{field}.minSamples.value")
            if asked
            else 0
        ),
    )


def _condition(one: Spec, path: str, default: str, field: str) -> Condition:
    return Condition(one["op"], float(one["value"]), bounds.duration(one, path, default, field))


def _rule(one: Spec | None) -> Rule:
    groups: Sequence[Spec] = (one or {}).get("anyOf") or []
    return Rule(tuple(frozenset(group["allOf"]) for group in groups))


def _retrain(one: Spec) -> Retrain:
    attempts, pause = one.get("attempts") or {}, one.get("pauseAfter") or {}
    initial = bounds.duration(attempts, "retrain.attempts.initialBackoff", "1m")
    longest = bounds.duration(attempts, "retrain.attempts.maxBackoff", "1h")
    deadline = one.get("activeDeadlineSeconds")
    if deadline is not None:
        deadline = bounds.number(one, "retrain.activeDeadlineSeconds", deadline)
    return Retrain(
        cron_job=one["jobFrom"]["cronJobName"],
        deadline_seconds=deadline,
        attempts=bounds.number(attempts, "retrain.attempts.max", 3),
        initial_backoff=initial,
        factor=bounds.number(attempts, "retrain.attempts.factor", 2),
        max_backoff=longest,
        pause_after_success=bounds.duration(pause, "retrain.pauseAfter.success", "6h"),
        pause_after_failure=bounds.duration(pause, "retrain.pauseAfter.failure", "1h"),
        max_per_day=bounds.number(one, "retrain.maxPerDay", 4),
    )


def _gate(one: Spec) -> Gate:
    return Gate(
        bounds.number(one, "gate.champion.minLabelledRows", 1000),
        bounds.share(one, "gate.champion.minRelativeGain", "0.02"),
        bounds.share(one, "gate.champion.confidence", "0.95"),
    )


def _fallback(one: Spec) -> Fallback:
    return Fallback(
        one["deploymentName"],
        bounds.number(one, "fallback.minReady", 1),
        one.get("restore", "Automatic") == "Automatic",
        bounds.duration(one, "fallback.minDwell", "5m"),
    )
