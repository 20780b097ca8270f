"""Asking Prometheus for a policy's signals."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from taxi_domain.errors import FieldError, NotAvailableError
from taxi_operator.adapters.prometheus import Prometheus, QueryError, QueryFailedError
from taxi_operator.adapters.servers import Servers
from taxi_operator.core.series import Series, step_of
from taxi_operator.core.signals import Observed, Reading, SignalState, lookback_of, read
from taxi_operator.memory.status import Status
from taxi_operator.spec.policy import Policy
from taxi_operator.spec.signals import Condition, Signal
from taxi_operator.texts import cut

_AT_ONCE: Final = 4
_MAX_EXPLANATION: Final = 600
#: Word for conditions: nobody answered.
_UNREACHABLE: Final = "PrometheusUnreachable"
#: Another: the policy's address is not on the list.
_REFUSED: Final = "InvalidSpec"


@dataclass(frozen=True, slots=True)
class Observation:
    """What a reconcile knows of the signals.

    Attributes:
        readings: One for each signal, in the policy's order.
        now: Prometheus' own time; None when it did not answer.
        problem: Why it did not answer, empty when it did.
        bad_queries: Queries that cannot be used as they are written.
        refused: The address may not be asked: it is not on the list.
    """

    readings: tuple[Reading, ...]
    now: float | None
    problem: str = ""
    bad_queries: tuple[QueryError, ...] = ()
    refused: FieldError | None = None


async def observe(policy: Policy, status: Status, servers: Servers) -> Observation:
    """Read every signal; a server that does not answer, or a wrong query, changes no state.

    All queries together have a deadline, however many signals there are.
    """
    try:
        prometheus = servers.of(policy.prometheus_url, policy.prometheus_timeout)
        deadline = asyncio.get_running_loop().time() + prometheus.deadline_seconds
        now = await prometheus.now()
    except FieldError as error:
        # It may not be asked: its signals are held; rescue and the way back need none.
        refused = Observed(problem=str(error), failure=_REFUSED)
        held = tuple(_reading(one, refused, status) for one in policy.signals)
        return Observation(held, None, refused=error)
    except (NotAvailableError, QueryError) as error:
        unreachable = Observed(problem=str(error), failure=_UNREACHABLE)
        readings = tuple(_reading(one, unreachable, status) for one in policy.signals)
        return Observation(readings, None, str(error))
    limit = asyncio.Semaphore(_AT_ONCE)
    asked = await asyncio.gather(
        *(_ask(prometheus, policy, one, now, status, limit, deadline) for one in policy.signals)
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
    deadline: float,
) -> tuple[Reading, QueryError | None]:
    late = f"Prometheus: no answer to all queries within {prometheus.deadline_seconds:.0f} s"
    observed = Observed(problem=late, failure=_UNREACHABLE)
    bad: QueryError | None = None
    explanation = ""
    with suppress(TimeoutError):
        async with asyncio.timeout_at(deadline), limit:
            try:
                observed = await _observed(prometheus, policy, signal, now, status)
            except QueryError as error:
                observed, bad = Observed(problem=str(error), failure=error.reason), error.bare()
            is_breached = _reading(signal, observed, status).state is SignalState.BREACHED
            if is_breached and signal.explain_promql:
                explanation = await _explanation(prometheus, signal)
    return replace(_reading(signal, observed, status), explanation=explanation), bad


async def _observed(
    prometheus: Prometheus, policy: Policy, signal: Signal, now: float, status: Status
) -> Observed:
    # Values of before the promotion, and of just after it, speak of the old model.
    since = 0.0 if status.reset_at is None else status.reset_at + policy.settle_seconds
    if now < since:
        return Observed(settling=True)
    asked = _Asked(prometheus, now, since, lookback_of(signal))
    try:
        return Observed(
            enter=await asked.series(signal.promql, signal.enter),
            exit=await asked.series(signal.promql, signal.exit),
            age_seconds=await asked.value(signal.freshness_promql),
            samples=await asked.value(signal.min_samples_promql),
        )
    except QueryFailedError as error:
        return Observed(problem=str(error), failure=error.reason)
    except NotAvailableError as error:
        return Observed(problem=str(error), failure=_UNREACHABLE)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The queries of a reconcile: all for one time, none of them looking further back than it may.

    Attributes:
        prometheus: The server that is asked.
        now: Its present time.
        since: Samples before this time are of another model.
        lookback: A sample that is older than these seconds is no present value. Without it a
            series that ends without Prometheus' mark of staleness has values 5 minutes longer.
    """

    prometheus: Prometheus
    now: float
    since: float
    lookback: float

    async def value(self, promql: str) -> float | None:
        """Return the value of a query, None without one."""
        if not promql:
            return None
        return await self.prometheus.value(promql, self.now, self.lookback)

    async def series(self, promql: str, condition: Condition) -> Series:
        """Return the samples over a condition's `for`, none of them older than `since`."""
        start, step = self.now - condition.for_seconds, step_of(condition.for_seconds)
        samples = await self.prometheus.samples(
            promql, max(start, self.since), self.now, step, self.lookback
        )
        return Series(samples, start, self.now, step)


async def _explanation(prometheus: Prometheus, signal: Signal) -> str:
    """Return what a breach comes from, for people; that it is missing stops nothing."""
    try:
        ranked = await prometheus.ranking(signal.explain_promql)
    except (NotAvailableError, QueryError) as error:
        return cut(f"not explained: {error}", _MAX_EXPLANATION)
    return cut("; ".join(f"{name} {value:.3g}" for name, value in ranked), _MAX_EXPLANATION)
