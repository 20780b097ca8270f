"""From samples to a signal's state: pure, so that the same history gives the same decision."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from taxi_operator.core.series import NOTHING, Span
from taxi_operator.spec.signals import Condition, Signal

#: No count of rows is as large; a status has no room for it.
_MAX_SAMPLES: Final = 1e9


#: Prometheus' own default: a sample is taken for the present value for so long, seconds.
_MAX_LOOKBACK: Final = 300.0


def lookback_of(signal: Signal) -> float:
    """Return how old a sample may be that is taken for a present value, seconds."""
    return min(signal.max_age_seconds, _MAX_LOOKBACK)


class SignalState(StrEnum):
    """What a signal says."""

    UNKNOWN = "Unknown"
    HEALTHY = "Healthy"
    PENDING = "Pending"
    BREACHED = "Breached"
    INSUFFICIENT = "InsufficientSamples"
    NO_DATA = "NoData"


@dataclass(frozen=True, slots=True)
class Observed:
    """What Prometheus answered for a signal.

    Attributes:
        enter: Samples over the enter condition's `for`.
        exit: Samples over the exit condition's `for`.
        age_seconds: Age of the last evaluation behind the metric; None when it is not known.
        samples: Rows behind the value; None when it is not known.
        problem: Why there is nothing, for people.
        failure: Why nothing was learned, as a word for conditions: the query is wrong, it failed,
            or nobody answered it. Empty: what there is, also when it is nothing, was answered.
        settling: The model was promoted a moment ago; what there is speaks of the old one.
        released: Its history tells that it was healthy after it was last breached.
    """

    enter: Span = NOTHING
    exit: Span = NOTHING
    age_seconds: float | None = None
    samples: float | None = None
    problem: str = ""
    failure: str = ""
    settling: bool = False
    released: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """State of a signal after a reconcile.

    Attributes:
        name: Name of the signal.
        state: What it says now.
        breached: Whether it is breached; held while there is no data.
        recovered: Whether the exit condition held for its whole time, breached before or not.
        value: Last value, None when there is none.
        samples: Rows behind it.
        reason: Why the state is what it is, for people.
        failure: Why nothing was learned, as a word for conditions, empty when something was.
        explanation: What a breach comes from, for people.
    """

    name: str
    state: SignalState
    breached: bool = False
    value: float | None = None
    samples: float | None = None
    recovered: bool = False
    reason: str = field(default="", compare=False)
    failure: str = field(default="", compare=False)
    explanation: str = field(default="", compare=False)


def read(signal: Signal, observed: Observed, was_breached: bool) -> Reading:
    """Return the signal's state.

    Args:
        signal: Its conditions.
        observed: What Prometheus answered.
        was_breached: Whether it was breached at the last reconcile.
    """
    if observed.settling:
        return Reading(signal.name, SignalState.UNKNOWN, reason="a new model was just promoted")
    if observed.failure:
        return Reading(
            signal.name, SignalState.NO_DATA, was_breached, reason=observed.problem,
            failure=observed.failure,
        )  # fmt: skip
    newest = observed.enter.newest
    value = None if newest is None else newest[1]
    samples = observed.samples
    if samples is not None and not 0 <= samples < _MAX_SAMPLES:
        samples = None
    missing = _absence(signal, observed, value)
    if missing:
        # Silence starts nothing and ends nothing.
        return Reading(
            signal.name, SignalState.NO_DATA, was_breached, None, samples, reason=missing
        )  # fmt: skip
    assert value is not None  # there is no value that may be used, else
    if signal.min_samples and (samples is None or samples < signal.min_samples):
        count = "unknown" if samples is None else f"{samples:.0f}"
        return Reading(
            signal.name, SignalState.INSUFFICIENT, was_breached, value, samples,
            reason=f"{count} samples, {signal.min_samples:.0f} are needed",
        )  # fmt: skip
    recovered = lasted(signal.exit, observed.exit)
    state, reason = _state(
        signal, observed, value, was_breached and not observed.released, recovered
    )
    return Reading(
        signal.name, state, state is SignalState.BREACHED, value, samples, recovered, reason
    )  # fmt: skip


def _absence(signal: Signal, observed: Observed, value: float | None) -> str:
    """Return why there is no value that may be used, empty when there is one."""
    if value is None:
        return observed.problem or "the query has no result"
    if not observed.enter.is_current:
        age = f"the newest sample is {observed.enter.age_seconds:.0f} s old"
        return f"{age}; {_coverage(observed.enter)}"
    if not math.isfinite(value):
        return f"the value is {value}"
    if signal.freshness_promql:
        if observed.age_seconds is None:
            return "the freshness query has no result"
        if not observed.age_seconds <= signal.max_age_seconds:
            return f"the value is {observed.age_seconds:.0f} s old"
    return ""


def _state(
    signal: Signal, observed: Observed, value: float, was_breached: bool, recovered: bool
) -> tuple[SignalState, str]:
    if was_breached:
        if recovered:
            return SignalState.HEALTHY, f"{value:.4g} is healthy again"
        return SignalState.BREACHED, (
            f"{value:.4g}, not healthy for long enough; {_coverage(observed.exit)}"
        )
    if lasted(signal.enter, observed.enter):
        return SignalState.BREACHED, (
            f"{value:.4g} {signal.enter.op} {signal.enter.value:.4g}; {_coverage(observed.enter)}"
        )
    if signal.enter.holds(value):
        return SignalState.PENDING, (
            f"{value:.4g}, not for long enough yet; {_coverage(observed.enter)}"
        )
    return SignalState.HEALTHY, f"{value:.4g}"


def is_held(signal: Signal, observed: Observed, was_breached: bool) -> bool:
    """Tell whether it is breached by what is remembered alone."""
    return (
        was_breached
        and not lasted(signal.enter, observed.enter)
        and not lasted(signal.exit, observed.exit)
    )


def lasted(condition: Condition, series: Span) -> bool:
    """Tell whether all samples satisfy a condition, and cover its `for`."""
    return series.is_covered and series.all_hold(condition)


def _coverage(series: Span) -> str:
    return f"samples cover {series.covered_seconds:.0f} s of {series.seconds:.0f} s"
