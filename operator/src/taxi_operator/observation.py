"""Asking Prometheus for a policy's signals."""

from dataclasses import dataclass

from taxi_domain.errors import NotAvailableError
from taxi_operator.adapters.prometheus import Prometheus, expected_samples, step_of
from taxi_operator.policies import Condition, Policy, Signal
from taxi_operator.signals import Observed, Reading, read
from taxi_operator.statuses import Status


@dataclass(frozen=True, slots=True)
class Observation:
    """Readings of all signals, at Prometheus' own time; None when it did not answer."""

    readings: tuple[Reading, ...]
    now: float | None


async def observe(policy: Policy, status: Status) -> Observation:
    """Read every signal.

    A server that does not answer gives readings without data: the last state is held.

    Raises:
        AmbiguousQueryError: a query has several series.
    """
    async with Prometheus(policy.prometheus_url, policy.prometheus_timeout) as prometheus:
        try:
            now = await prometheus.now()
        except NotAvailableError as error:
            unreachable = Observed(problem=str(error))
            return Observation(_read_all(policy, status, [unreachable] * len(policy.signals)), None)
        observed = [await _observed(prometheus, one, now, status) for one in policy.signals]
    return Observation(_read_all(policy, status, observed), now)


def _read_all(policy: Policy, status: Status, observed: list[Observed]) -> tuple[Reading, ...]:
    return tuple(
        read(signal, one, status.breached.get(signal.name, False))
        for signal, one in zip(policy.signals, observed, strict=True)
    )


async def _observed(prometheus: Prometheus, signal: Signal, now: float, status: Status) -> Observed:
    try:
        age = await prometheus.value(signal.freshness_promql) if signal.freshness_promql else None
        samples = (
            await prometheus.value(signal.min_samples_promql) if signal.min_samples_promql else None
        )
        enter = await _samples(prometheus, signal.promql, signal.enter, now, status.reset_at)
        exits = await _samples(prometheus, signal.promql, signal.exit, now, status.reset_at)
    except NotAvailableError as error:
        return Observed(problem=str(error))
    return Observed(
        enter, expected_samples(signal.enter.for_seconds),
        exits, expected_samples(signal.exit.for_seconds), age, samples,
    )  # fmt: skip


async def _samples(
    prometheus: Prometheus, promql: str, condition: Condition, now: float, reset_at: float | None
) -> list[float]:
    """Return the samples over a condition's `for`, but none from before the last promotion."""
    seconds = condition.for_seconds
    start = max(now - seconds, reset_at or 0.0)
    if start > now:
        return []
    return await prometheus.values(promql, start, now, step_of(seconds))
