"""A DriftPolicy's spec as values. The CRD's schema checks it first; what it cannot, is here."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from taxi_domain.errors import FieldError
from taxi_domain.models import MODEL_NAME
from taxi_operator.spec import bounds
from taxi_operator.spec.addresses import address_of
from taxi_operator.spec.freeze import FreezeWindow, windows_of
from taxi_operator.spec.orders import Force, force_of, requests_of
from taxi_operator.spec.signals import Signal, signals_of
from taxi_operator.texts import cut

Spec = Mapping[str, Any]

#: What the limit of runs looks back on, seconds.
LIMIT_SECONDS: Final = 86_400.0


class Mode(StrEnum):
    """Whether decisions are carried out."""

    ENFORCE = "Enforce"
    DRY_RUN = "DryRun"
    SUSPEND = "Suspend"


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
    """What a candidate has to show; texts, as they go to the Job's command line.

    Attributes:
        min_labelled_rows: Fewest rows that it is compared on.
        min_relative_gain: What a promotion has to gain in RMSE to be worth its cost, a share.
        confidence: Confidence of the gain's interval, a share.
        asks_for_approval: A person, or another system, has to name it before it is promoted.
        max_verdict_age: An older verdict is not carried out, seconds: the data went on.
    """

    min_labelled_rows: int
    min_relative_gain: str
    confidence: str
    asks_for_approval: bool = False
    max_verdict_age: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Observation:
    """When the realised error of a promoted candidate is looked at, and what is asked of it.

    Attributes:
        for_seconds: Time after the rollout, and between two looks.
        min_labelled_rows: Fewest labelled rows that the candidate answered as the champion.
        confidence: Of the interval; a text, as it goes to the Job's command line.
    """

    for_seconds: int
    min_labelled_rows: int
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
    #: What is asked for by hand, by the word for it; empty texts where nothing is.
    requests: Mapping[str, str]
    force: Force | None
    #: The candidate that may be promoted where the gate asks for approval; empty: none.
    approved: str
    freeze_windows: tuple[FreezeWindow, ...]
    #: None: a promotion ends with its rollout.
    observation: Observation | None


def policy_of(spec: Spec, namespace: str = "default") -> Policy:
    """Read a spec.

    Args:
        spec: The spec.
        namespace: Where the policy is: its presets ask about the monitor of this namespace.

    Raises:
        FieldError: names the field that cannot be used.
    """
    try:
        return _policy(spec, namespace)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FieldError(
            "spec", f"is not complete ({cut(repr(error), 200)})", "see docs/drift-policy.md"
        ) from error


def retains(spec: object) -> bool:
    """Tell whether the traffic stays where it is when a policy is deleted."""
    return isinstance(spec, Mapping) and spec.get("deletionPolicy") == "Retain"


def _policy(spec: Spec, namespace: str) -> Policy:
    target, prometheus = spec["target"], spec.get("prometheus") or {}
    evaluation = spec.get("evaluation") or {}
    rules = spec.get("rules") or {}
    model, force = spec.get("modelName", MODEL_NAME), spec.get("forceTraffic")
    policy = Policy(
        mode=Mode(spec.get("mode", Mode.ENFORCE)),
        model=model,
        deployment=target["deploymentName"],
        service=target["activeServiceName"],
        prometheus_url=_url(prometheus),
        prometheus_timeout=_timeout(prometheus),
        interval_seconds=bounds.number(evaluation, "evaluation.intervalSeconds", 30),
        settle_seconds=bounds.number(evaluation, "evaluation.settleSeconds", 30),
        signals=signals_of(spec, namespace, model),
        retrain_rule=_rule(rules.get("retrain")),
        fallback_rule=_rule(rules.get("fallback")),
        retrain=_retrain(spec["retrain"]) if spec.get("retrain") else None,
        gate=_gate(spec.get("gate") or {}),
        fallback=_fallback(spec["fallback"]) if spec.get("fallback") else None,
        retains_traffic=retains(spec),
        requests=requests_of(spec),
        force=force_of(force),
        approved=str(spec.get("approvedCandidate", "")),
        freeze_windows=windows_of(spec.get("freezeWindows") or [], "spec.freezeWindows"),
        observation=_observation(spec.get("observation")),
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
    if policy.force is not None and policy.force.to_fallback and policy.fallback is None:
        raise FieldError("spec.fallback", "is missing", "spec.forceTraffic needs it")
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


def _gate(gate: Spec) -> Gate:
    one, approval = gate.get("champion") or {}, gate.get("approval", "None")
    if approval not in {"None", "Required"}:
        raise FieldError("spec.gate.approval", "is neither", "give None or Required")
    return Gate(
        bounds.number(one, "gate.champion.minLabelledRows", 1000),
        bounds.share(one, "gate.champion.minRelativeGain", "0.01"),
        bounds.share(one, "gate.champion.confidence", "0.95"),
        approval == "Required",
        bounds.duration(gate, "gate.maxVerdictAge", "24h"),
    )


def _observation(one: Spec | None) -> Observation | None:
    if one is None:
        return None
    return Observation(
        math.ceil(bounds.duration(one, "observation.for", "1h")),
        bounds.number(one, "observation.minLabelledRows", 1000),
        bounds.share(one, "observation.confidence", "0.95"),
    )


def _fallback(one: Spec) -> Fallback:
    return Fallback(
        one["deploymentName"],
        bounds.number(one, "fallback.minReady", 1),
        one.get("restore", "Automatic") == "Automatic",
        bounds.duration(one, "fallback.minDwell", "5m"),
    )
