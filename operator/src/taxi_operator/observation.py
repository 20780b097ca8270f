"""Asking Prometheus for a policy's signals."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from taxi_domain.errors import NotAvailableError
from taxi_operator.adapters.prometheus import Prometheus, QueryError, expected_samples, step_of
from taxi_operator.policies import Condition, Policy, Signal
from taxi_operator.signals import Observed, Reading, SignalState, read
from taxi_operator.statuses import Status

_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class Observation:
    """What a tick knows of the signals.

    Attributes:
        readings: One for each signal, in the policy's order.
        now: Prometheus' own time; None when it did not answer.
        problem: Why it did not answer, empty when it did.
        bad_queries: Queries that cannot be used as they are written.
    """

    readings: tuple[Reading, ...]
    now: float | None
    problem: str = ""
    bad_queries: tuple[QueryError, ...] = ()


async def observe(policy: Policy, status: Status) -> Observation:
    """Read every signal; a server that does not answer, or a wrong query, changes no state."""
    async with Prometheus(policy.prometheus_url, policy.prometheus_timeout) as prometheus:
        try:
            now = await prometheus.now()
        except (NotAvailableError, QueryError) as error:
            unreachable = Observed(problem=str(error), unusable=True)
            readings = tuple(_reading(one, unreachable, status) for one in policy.signals)
            return Observation(readings, None, str(error))
        limit = asyncio.Semaphore(_AT_ONCE)
        asked = await asyncio.gather(
            *(_ask(prometheus, policy, one, now, status, limit) for one in policy.signals)
        )
    bad = tuple(error for _, error in asked if error is not None)
    return Observation(tuple(reading for reading, _ in asked), now, "", bad)


def _reading(signal: Signal, observed: Observed, status: Status) -> Reading:
    return read(signal, observed, status.breached.get(signal.name, False))


async def _ask(
    prometheus: Prometheus,
    policy: Policy,
    signal: Signal,
    now: float,
    status: Status,
    limit: asyncio.Semaphore,
) -> tuple[Reading, QueryError | None]:
    bad: QueryError | None = None
    async with limit:
        try:
            observed = await _observed(prometheus, policy, signal, now, status)
        except QueryError as error:
            observed, bad = Observed(problem=str(error), unusable=True), error
        reading = _reading(signal, observed, status)
        if reading.state is SignalState.BREACHED and signal.explain_promql:
            reading = replace(reading, explanation=await _explanation(prometheus, signal))
    return reading, bad


async def _observed(
    prometheus: Prometheus, policy: Policy, signal: Signal, now: float, status: Status
) -> Observed:
    # Values of before the promotion, and of just after it, speak of the old model.
    since = 0.0 if status.reset_at is None else status.reset_at + policy.settle_seconds
    if now < since:
        return Observed(settling=True)
    try:
        age = await prometheus.value(signal.freshness_promql) if signal.freshness_promql else None
        samples = (
            await prometheus.value(signal.min_samples_promql) if signal.min_samples_promql else None
        )
        enter = await _samples(prometheus, signal.promql, signal.enter, now, since)
        exits = await _samples(prometheus, signal.promql, signal.exit, now, since)
    except NotAvailableError as error:
        return Observed(problem=str(error), unusable=True)
    return Observed(
        enter, expected_samples(signal.enter.for_seconds),
        exits, expected_samples(signal.exit.for_seconds), age, samples,
    )  # fmt: skip


async def _samples(
    prometheus: Prometheus, promql: str, condition: Condition, now: float, since: float
) -> list[float]:
    """Return the samples over a condition's `for`, none of them older than `since`."""
    seconds = condition.for_seconds
    return await prometheus.values(promql, max(now - seconds, since), now, step_of(seconds))


async def _explanation(prometheus: Prometheus, signal: Signal) -> str:
    """Return what a breach comes from, for people; that it is missing stops nothing."""
    try:
        ranked = await prometheus.ranking(signal.explain_promql)
    except (NotAvailableError, QueryError) as error:
        return f"not explained: {error}"[:300]
    return "; ".join(f"{name} {value:.3g}" for name, value in ranked)[:600]
