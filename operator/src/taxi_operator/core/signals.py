"""From samples to a signal's state: pure, so that the same history gives the same decision."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from taxi_operator.core.series import NOTHING, Series
from taxi_operator.spec.policy import Condition, OnNoData, Signal

#: No count of rows is as large; a status has no room for it.
_MAX_SAMPLES: Final = 1e9


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
        witness: Samples of what Prometheus always has, over the `for` that absence has to last:
            where there are none, a missing value says nothing, since Prometheus was not there.
        age_seconds: Age of the last evaluation behind the metric; None when it is not known.
        samples: Rows behind the value; None when it is not known.
        problem: Why there is nothing, for people.
        unusable: Nothing was learned, since the query is wrong or nobody answered it. That is no
            absence of data: the state is held, whatever `onNoData` says.
        settling: The model was promoted a moment ago; what there is speaks of the old one.
    """

    enter: Series = NOTHING
    exit: Series = NOTHING
    witness: Series = NOTHING
    age_seconds: float | None = None
    samples: float | None = None
    problem: str = ""
    unusable: bool = False
    settling: bool = False


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
        explanation: What a breach comes from, for people.
    """

    name: str
    state: SignalState
    breached: bool = False
    value: float | None = None
    samples: float | None = None
    recovered: bool = False
    reason: str = field(default="", compare=False)
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
    if observed.unusable:
        return Reading(signal.name, SignalState.NO_DATA, was_breached, reason=observed.problem)
    value = observed.enter.samples[-1][1] if observed.enter.samples else None
    samples = observed.samples
    if samples is not None and not 0 <= samples < _MAX_SAMPLES:
        samples = None
    missing = absence(signal, observed)
    if missing:
        return _without_data(signal, observed, missing, was_breached, samples)
    assert value is not None  # absence would have said so
    if signal.min_samples and (samples is None or samples < signal.min_samples):
        count = "unknown" if samples is None else f"{samples:.0f}"
        return Reading(
            signal.name, SignalState.INSUFFICIENT, was_breached, value, samples,
            reason=f"{count} samples, {signal.min_samples:.0f} are needed",
        )  # fmt: skip
    recovered = _lasted(signal.exit, observed.exit)
    state, reason = _state(signal, observed, value, was_breached, recovered)
    return Reading(
        signal.name, state, state is SignalState.BREACHED, value, samples, recovered, reason
    )  # fmt: skip


def absence(signal: Signal, observed: Observed) -> str:
    """Return why there is no value that may be used, empty when there is one."""
    if not observed.enter.samples:
        return observed.problem or "the query has no result"
    if not observed.enter.is_current:
        age = f"the newest sample is {observed.enter.age_seconds:.0f} s old"
        return f"{age}; {_coverage(observed.enter)}"
    _, value = observed.enter.samples[-1]
    if not math.isfinite(value):
        return f"the value is {value}"
    if signal.freshness_promql:
        if observed.age_seconds is None:
            return "the freshness query has no result"
        if not observed.age_seconds <= signal.max_age_seconds:
            return f"the value is {observed.age_seconds:.0f} s old"
    return ""


def _without_data(
    signal: Signal, observed: Observed, missing: str, was_breached: bool, samples: float | None
) -> Reading:
    """Return what missing data stands for: what the policy says, once it has lasted."""
    breach = signal.on_no_data is OnNoData.BREACH
    series = observed.enter if breach else observed.exit
    if signal.on_no_data is OnNoData.HOLD:
        return Reading(
            signal.name, SignalState.NO_DATA, was_breached, None, samples, reason=missing
        )  # fmt: skip
    if not _absence_lasted(signal, observed, series):
        reason = f"{missing}; not for {series.seconds:.0f} s yet, or Prometheus was not there"
        return Reading(
            signal.name, SignalState.NO_DATA, was_breached, None, samples, reason=reason
        )  # fmt: skip
    reason = f"{missing}; for {series.seconds:.0f} s"
    if breach:
        return Reading(signal.name, SignalState.BREACHED, True, None, samples, reason=reason)
    return Reading(signal.name, SignalState.HEALTHY, False, None, samples, True, reason)


def _absence_lasted(signal: Signal, observed: Observed, series: Series) -> bool:
    """Tell whether there was no value that may be used for the whole `for` of a series.

    How long a freshness query had no result is not known: that never lasted.
    """
    if not observed.witness.is_covered or observed.witness.seconds < series.seconds:
        return False
    if not any(math.isfinite(value) for _, value in series.samples):
        return True
    age = observed.age_seconds
    return age is not None and age - signal.max_age_seconds >= series.seconds


def _state(
    signal: Signal, observed: Observed, value: float, was_breached: bool, recovered: bool
) -> tuple[SignalState, str]:
    if was_breached:
        if recovered:
            return SignalState.HEALTHY, f"{value:.4g} is healthy again"
        return SignalState.BREACHED, (
            f"{value:.4g}, not healthy for long enough; {_coverage(observed.exit)}"
        )
    if _lasted(signal.enter, observed.enter):
        return SignalState.BREACHED, (
            f"{value:.4g} {signal.enter.op} {signal.enter.value:.4g}; {_coverage(observed.enter)}"
        )
    if signal.enter.holds(value):
        return SignalState.PENDING, (
            f"{value:.4g}, not for long enough yet; {_coverage(observed.enter)}"
        )
    return SignalState.HEALTHY, f"{value:.4g}"


def _lasted(condition: Condition, series: Series) -> bool:
    """Tell whether all samples satisfy a condition, and cover its `for`."""
    return series.is_covered and all(
        math.isfinite(value) and condition.holds(value) for _, value in series.samples
    )


def _coverage(series: Series) -> str:
    return f"samples cover {series.covered_seconds:.0f} s of {series.seconds:.0f} s"
