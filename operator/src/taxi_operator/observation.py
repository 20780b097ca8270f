"""Asking Prometheus for a policy's signals."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from taxi_domain.errors import FieldError, NotAvailableError
from taxi_operator.adapters.prometheus import QueryError, QueryFailedError
from taxi_operator.adapters.servers import Servers
from taxi_operator.core.latch import was_released
from taxi_operator.core.signals import (
    Observed,
    Reading,
    SignalState,
    is_held,
    lookback_of,
    read,
)
from taxi_operator.facts.queries import Queries
from taxi_operator.memory.status import Status
from taxi_operator.spec.policy import Policy
from taxi_operator.spec.signals import Signal
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
    # Values of before a promotion, and of just after it, speak of the old model.
    since = 0.0 if status.reset_at is None else status.reset_at + policy.settle_seconds
    look = _Look(
        Queries(prometheus, now, since), status, now < since, asyncio.Semaphore(_AT_ONCE), deadline,
        f"Prometheus: no answer to all queries within {prometheus.deadline_seconds:.0f} s",
        policy.interval_seconds,
    )  # fmt: skip
    asked = await asyncio.gather(*(look.ask(one) for one in policy.signals))
    bad = tuple(error for _, error in asked if error is not None)
    return Observation(tuple(reading for reading, _ in asked), now, "", bad)


def _reading(signal: Signal, observed: Observed, status: Status) -> Reading:
    return read(signal, observed, status.breached.get(signal.name, False))


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at the signals of a policy.

    Attributes:
        queries: What Prometheus is asked.
        status: What is remembered.
        settles: The model was promoted a moment ago.
        limit: Places of signals that are asked for at the same time.
        deadline: When all have to be answered, in the event loop's time.
        late: What is told of a signal that was not.
        interval_seconds: Between two looks.
    """

    queries: Queries
    status: Status
    settles: bool
    limit: asyncio.Semaphore
    deadline: float
    late: str
    interval_seconds: float

    async def ask(self, signal: Signal) -> tuple[Reading, QueryError | None]:
        """Return what a signal says, and what is wrong with its queries."""
        observed = Observed(problem=self.late, failure=_UNREACHABLE)
        bad: QueryError | None = None
        explanation = ""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self.deadline), self.limit:
                try:
                    observed = await self._observed(signal)
                except QueryError as error:
                    observed, bad = Observed(problem=str(error), failure=error.reason), error.bare()
                is_breached = self._reading(signal, observed).state is SignalState.BREACHED
                if is_breached and signal.explain_promql:
                    explanation = await self._explanation(signal)
        return replace(self._reading(signal, observed), explanation=explanation), bad

    def _reading(self, signal: Signal, observed: Observed) -> Reading:
        return _reading(signal, observed, self.status)

    async def _observed(self, signal: Signal) -> Observed:
        if self.settles:
            return Observed(settling=True)
        lookback = lookback_of(signal)
        try:
            enter, leave = await self.queries.series(
                signal.promql, signal.enter, signal.exit, lookback
            )
            observed = Observed(
                enter=enter,
                exit=leave,
                age_seconds=await self.queries.value(signal.freshness_promql, lookback),
                samples=await self.queries.value(signal.min_samples_promql, lookback),
            )
            released = await self._released(signal, observed, lookback)
            return replace(observed, released=released)
        except QueryFailedError as error:
            return Observed(problem=str(error), failure=error.reason)
        except NotAvailableError as error:
            return Observed(problem=str(error), failure=_UNREACHABLE)

    async def _released(self, signal: Signal, observed: Observed, lookback: float) -> bool:
        """Tell whether a signal that is breached by memory alone was healthy meanwhile."""
        if not is_held(signal, observed, self.status.breached.get(signal.name, False)):
            return False
        past, step = await self.queries.past(signal, lookback)
        return was_released(signal, past, step, self.interval_seconds)

    async def _explanation(self, signal: Signal) -> str:
        """Return what a breach comes from, for people; that it is missing stops nothing."""
        try:
            ranked = await self.queries.ranking(signal.explain_promql)
        except (NotAvailableError, QueryError) as error:
            return cut(f"not explained: {error}", _MAX_EXPLANATION)
        return cut("; ".join(f"{name} {value:.3g}" for name, value in ranked), _MAX_EXPLANATION)
