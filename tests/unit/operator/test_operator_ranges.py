"""Ranges of one query that are asked for as one give the same samples; nothing is asked twice."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taxi_domain.errors import NotAvailableError
from taxi_operator.adapters.prometheus import QueryError
from taxi_operator.core.ranges import Range
from taxi_operator.core.series import Series, step_of
from taxi_operator.facts.queries import Queries
from taxi_operator.spec.signals import Condition

NOW = 1_760_000_000.123
HOUR, DAY = 3600.0, 86_400.0


@dataclass
class FakePrometheus:
    """Evaluates a query at each time of a range, as Prometheus does, in whole milliseconds.

    Attributes:
        holes: A time without a value is one whose milliseconds this divides.
        moved: By how much all times are moved back, as some servers in front of Prometheus do.
        failure: What is raised instead.
        asked: What was asked for, in words.
    """

    holes: int = 0
    moved: float = 0.0
    failure: Exception | None = None
    asked: list[str] = field(default_factory=list)

    async def samples(
        self, promql: str, start: float, end: float, step: float, lookback: float
    ) -> tuple[tuple[float, float], ...]:
        await self._ask(f"range {promql} {end - start:.0f}/{step:g} {lookback:g}")
        first, last, between = (round(float(f"{one:.3f}") * 1000) for one in (start, end, step))
        back = round(self.moved * 1000)
        times = range(first - back, last - back + 1, between)
        return tuple(
            (at / 1000, float(at % 977)) for at in times if not self.holes or at // 7 % self.holes
        )

    async def value(self, promql: str, at: float, lookback: float) -> float | None:
        await self._ask(f"value {promql} {lookback:g}")
        return at

    async def ranking(self, promql: str) -> list[tuple[str, float]]:
        await self._ask(f"ranking {promql}")
        return []

    async def _ask(self, what: str) -> None:
        self.asked.append(what)
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure


def lasting(seconds: float) -> Condition:
    return Condition("Greater", 1.0, seconds)


def queries(server: object, since: float = 0.0) -> Queries:
    return Queries(server, NOW, since)  # type: ignore[arg-type]


def both(server: FakePrometheus, enter: float, leave: float, **how: object) -> tuple[Series, ...]:
    since = NOW - float(str(how.get("cut", 10 * DAY)))
    promql = str(how.get("promql", "q"))
    found = queries(server, since).series(promql, lasting(enter), lasting(leave), 120.0)
    return asyncio.run(found)


async def alone(server: FakePrometheus, seconds: float, cut: float) -> Series:
    start, step = NOW - seconds, step_of(seconds)
    samples = await server.samples("q", max(start, NOW - cut), NOW, step, 120.0)
    return Series(samples, start, NOW, step)


durations = st.sampled_from([0.0, 0.5, 7.0, 30.0, 60.0, 301.0, 2 * HOUR, DAY, 7 * DAY]) | st.floats(
    0, 7 * DAY
).map(lambda one: round(one, 3))


@given(durations, durations, st.integers(0, 5), st.sampled_from([0.0, 45.5, 800.0, 10 * DAY]))
@example(300.0, 900.0, 0, 10 * DAY)
@example(30.0, 60.0, 3, 10 * DAY)
@example(0.0, 60.0, 2, 10 * DAY)
@example(300.0, 900.0, 4, 600.0)
def test_samples_are_those_of_a_range_of_its_own(
    enter: float, leave: float, holes: int, cut: float
) -> None:
    found = both(FakePrometheus(holes), enter, leave, cut=cut)

    for series, seconds in zip(found, (enter, leave), strict=True):
        assert series == asyncio.run(alone(FakePrometheus(holes), seconds, cut))


@pytest.mark.parametrize(
    ("enter", "leave", "asked"),
    [
        (300, 900, ["900/15"]),
        (900, 300, ["900/15"]),
        (300, 300, ["300/15"]),
        (0, 0, ["0/1"]),
        (0, 900, ["900/15"]),
        (0, 60, ["60/6"]),
        (30, 60, ["60/3"]),
        (DAY, 2 * DAY, ["86400/17.28", "172800/34.56"]),
        (7 * DAY, 900, ["604800/120.96", "900/15"]),
        (60, 900, ["60/6", "900/15"]),
        (301, 900, ["301/15", "900/15"]),
    ],
)
def test_one_range_is_asked_for_where_it_costs_little(
    enter: float, leave: float, asked: list[str]
) -> None:
    server = FakePrometheus()

    both(server, enter, leave)

    assert [one.split()[2] for one in server.asked] == asked


@pytest.mark.parametrize(
    "promql", ["q @ start()", "q @ end ()", "rate(q[range()])", "rate(q[ step( ) ])"]
)
def test_query_that_depends_on_its_range_has_each_of_its_own(promql: str) -> None:
    server = FakePrometheus()

    both(server, 300, 900, promql=promql)

    assert len(server.asked) == 2


def test_long_ranges_stay_within_what_prometheus_answers() -> None:
    for enter in (DAY, 7 * DAY):
        for leave in (0.0, 900.0, DAY - 1, DAY):
            joint = _range(enter).joint(_range(leave), "q")
            assert joint is None or joint.count <= 11_000


def _range(seconds: float) -> Range:
    return Range(NOW - seconds, NOW, step_of(seconds))


@pytest.mark.parametrize("moved", [0.001, 2.0, 2.999])
def test_times_that_a_server_moves_are_no_loss(moved: float) -> None:
    found = both(FakePrometheus(moved=moved), 30, 60)

    assert [len(one.samples) for one in found] == [11, 11]
    assert all(one.is_covered for one in found)


def test_same_query_is_asked_once_by_all_signals() -> None:
    server = FakePrometheus()

    async def look() -> None:
        shared = queries(server)
        await asyncio.gather(
            *(shared.value("fresh", 120.0) for _ in range(3)), shared.value("fresh", 60.0),
            *(shared.series("q", lasting(300), lasting(900), 120.0) for _ in range(3)),
            *(shared.ranking("r") for _ in range(3)),
        )  # fmt: skip
        assert await shared.value("", 120.0) is None

    asyncio.run(look())

    assert Counter(one.split()[0] for one in server.asked) == {
        "value": 2, "range": 1, "ranking": 1
    }  # fmt: skip


@pytest.mark.parametrize(
    "failure", [QueryError("q", "is wrong"), NotAvailableError("no answer in time")]
)
def test_failure_is_asked_once_too_and_told_to_all(failure: Exception) -> None:
    server = FakePrometheus(failure=failure)

    async def look() -> list[object]:
        shared = queries(server)
        asked = (shared.value("q", 1.0) for _ in range(3))
        return list(await asyncio.gather(*asked, return_exceptions=True))

    assert asyncio.run(look()) == [failure] * 3
    assert len(server.asked) == 1
