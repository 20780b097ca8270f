"""What the resource's schema refuses beside bounds, and what is legal and unwise. Pure."""

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Final

from taxi_domain.errors import FieldError
from taxi_operator.spec.policy import Mode, Policy, Rule
from taxi_operator.spec.signals import Condition, Signal

_AGGREGATIONS: Final = (
    "sum", "min", "max", "avg", "count", "group", "stddev", "stdvar", "quantile", "scalar",
    "vector", "absent", "absent_over_time",
)  # fmt: skip
_AGGREGATED: Final = re.compile(rf"\b(?:{'|'.join(_AGGREGATIONS)})\s*(?:\(|by\b|without\b)")
_TEXTS_AND_LABELS: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`|#[^\n]*")
#: Samples of a `for` are 15 seconds apart up to this; then it is cut into 5,000 parts.
_LONG_SECONDS: Final = 5_000 * 15.0
_MAX_PARTS: Final = 5_000
#: Two scrapes of kube-prometheus-stack.
_SCRAPES_SECONDS: Final = 60.0


def refused_by_schema(policy: Policy, named: frozenset[str]) -> Iterator[FieldError]:
    """Yield what only the schema refuses: the operator serves a policy that an older one let in.

    Args:
        policy: The policy.
        named: Signals that its rules name.
    """
    for one in policy.signals:
        field = f"spec.signals[{one.name}]"
        if named and one.name not in named:
            yield FieldError(field, "is named by no rule", "name it in spec.rules, or leave it out")
        at_once = one.enter.for_seconds == one.exit.for_seconds == 0
        if at_once and one.enter.value == one.exit.value:
            yield FieldError(
                f"{field}.exit", "has the value of enter, and both hold at once",
                "give enter.for or exit.for, or another exit.value",
            )  # fmt: skip
        for name, condition in (("enter", one.enter), ("exit", one.exit)):
            if 0 < condition.for_seconds < policy.interval_seconds:
                yield FieldError(
                    f"{field}.{name}.for", "is shorter than spec.evaluation.intervalSeconds, which "
                    "is how often it is looked at", "give at least as long, or 0s",
                )  # fmt: skip
    retrain = policy.retrain
    if retrain is not None and retrain.max_backoff < retrain.initial_backoff:
        yield FieldError(
            "spec.retrain.attempts.maxBackoff", "is shorter than initialBackoff",
            "give at least as long",
        )  # fmt: skip


def unwise(policy: Policy) -> Iterator[FieldError]:
    """Yield what is legal, and probably not what is meant."""
    for one in policy.signals:
        yield from _of_signal(one, f"spec.signals[{one.name}]")
        yield from _of_queries(one, f"spec.signals[{one.name}]")
    yield from _of_rule(policy, policy.retrain_rule, "spec.rules.retrain")
    yield from _of_rule(policy, policy.fallback_rule, "spec.rules.fallback")
    if not policy.retrain_rule.any_of and not policy.fallback_rule.any_of and policy.signals:
        yield FieldError("spec.rules", "has no rule: signals start nothing", "give rules")
    if policy.mode is Mode.SUSPEND:
        yield FieldError("spec.mode", "is Suspend: nothing is decided", "give Enforce or DryRun")
    if policy.fallback is not None and not policy.fallback_rule.any_of:
        yield FieldError(
            "spec.fallback", "has no rule; the rescue is on all the same: a champion without a "
            "ready pod for 60 s loses its traffic", "give rules.fallback, if errors should move it",
        )  # fmt: skip
    if policy.retrain is not None and not policy.retrain_rule.any_of:
        yield FieldError(
            "spec.retrain", "has no rule: only spec.retrainRequest starts a run",
            "give rules.retrain, if signals should",
        )  # fmt: skip
    asking = [one for one in policy.signals if one.name in policy.retrain_rule.signals]
    if asking and not any(_is_error(one) for one in asking):
        yield FieldError(
            "spec.rules.retrain", "has no signal of the error: that inputs drift does not say that "
            "the model got worse", "add a signal such as {name: error, preset: error}",
        )  # fmt: skip


def _of_signal(one: Signal, field: str) -> Iterator[FieldError]:
    if one.enter.value == one.exit.value:
        yield FieldError(
            f"{field}.exit", "has the value of enter: noise around it moves things back and forth",
            "keep exit apart from enter, for example by a fifth",
        )  # fmt: skip
    if not one.enter.for_seconds:
        yield FieldError(
            f"{field}.enter.for", "is 0s: one sample is enough to act on", "give 5m, say"
        )
    if not one.min_samples:
        yield FieldError(
            f"{field}.minSamples", "is missing: a value of a handful of rows counts too",
            "ask for the rows behind the value",
        )  # fmt: skip
    if one.max_age_seconds < _SCRAPES_SECONDS:
        yield FieldError(
            f"{field}.maxAgeSeconds", "is below two scrapes of 30 s: one that is late is NoData",
            "give 120, unless the target is scraped more often",
        )  # fmt: skip


def _of_queries(one: Signal, field: str) -> Iterator[FieldError]:
    if not one.freshness_promql:
        yield FieldError(
            f"{field}.freshnessPromql", "is missing: a value that its source computed long ago, "
            "and still exports, counts as new", "ask for the age of the evaluation",
        )  # fmt: skip
    for name, promql in (("promql", one.promql), ("minSamples.promql", one.min_samples_promql)):
        if promql and not is_aggregated(promql):
            yield FieldError(
                f"{field}.{name}", "is not aggregated: with a second series, as of a second pod, "
                "the signal is AmbiguousQuery", "write max by (...) (...), or the like",
            )  # fmt: skip
    for name, condition in (("enter", one.enter), ("exit", one.exit)):
        if condition.for_seconds > _LONG_SECONDS:
            step = condition.for_seconds / _MAX_PARTS
            yield FieldError(
                f"{field}.{name}.for", f"is so long that it is looked at in steps of {step:.0f} s: "
                "what is shorter is not seen", "use a recording rule of longer steps, or less",
            )  # fmt: skip


def _of_rule(policy: Policy, rule: Rule, field: str) -> Iterator[FieldError]:
    signals = {one.name: one for one in policy.signals}
    for number, group in enumerate(rule.any_of):
        path = f"{field}.anyOf[{number}]"
        if not group:
            yield FieldError(path, "is empty, and never fires", "name signals, or leave it out")
        for one, other in combinations(sorted(group), 2):
            if _exclude(signals[one], signals[other]):
                yield FieldError(
                    path, f"never fires: {one} and {other} ask one query for values that exclude "
                    "each other", "leave out one of the two",
                )  # fmt: skip
        for before, wider in enumerate(rule.any_of):
            covered = wider < group or (wider == group and before < number)
            if covered and wider:
                names = ", ".join(sorted(wider))
                yield FieldError(
                    path, f"decides nothing: anyOf[{before}] ({names}) fires before it",
                    "leave out one of the two",
                )  # fmt: skip


def _exclude(one: Signal, other: Signal) -> bool:
    """Tell whether two signals can never be breached at the same time by the same value."""
    if " ".join(one.promql.split()) != " ".join(other.promql.split()):
        return False
    low, high = sorted((one.enter, other.enter), key=lambda each: each.op.startswith("Greater"))
    if low.op.startswith("Less") is high.op.startswith("Less"):
        return False
    return low.value < high.value or (low.value == high.value and not _both_equal(low, high))


def _both_equal(low: Condition, high: Condition) -> bool:
    return low.op.endswith("Equal") and high.op.endswith("Equal")


def is_aggregated(promql: str) -> bool:
    """Tell whether a query has an aggregation, or another thing that leaves one series.

    >>> is_aggregated('max by (model) (score{model="a"})'), is_aggregated('score{a="max (b)"}')
    (True, False)
    """
    return _AGGREGATED.search(_TEXTS_AND_LABELS.sub("", promql)) is not None


def _is_error(one: Signal) -> bool:
    return any(
        word in text.lower()
        for text in (one.name, one.promql)
        # Kinds of drift that only labels can tell.
        for word in ("error", "harmfulcovariate", "concept")
    )
