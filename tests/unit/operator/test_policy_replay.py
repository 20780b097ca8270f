"""A replay sees what the operator would have been answered, and decides what it would have."""

import asyncio
import json
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.recorded import Recorded, RecordedServers
from support.simulator.clock import BEGIN, DAY, HOUR, MINUTE
from support.simulator.faults import Caller
from support.simulator.policies import MAIN, spec_of
from support.simulator.prometheus import SimulatedPrometheus, Source
from support.simulator.train_job import Outcome
from support.simulator.world import BREACHED, HEALTHY, World

from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.runs import RunResult
from taxi_operator.cli.options import moment_of
from taxi_operator.cli.replay import looks_of as span_of
from taxi_operator.cli.room import require_room
from taxi_operator.core.long_series import Cursor, Judged, LongSeries
from taxi_operator.core.series import Series
from taxi_operator.memory.status import Status
from taxi_operator.observation import observe
from taxi_operator.replay.comparison import Answer, compared
from taxi_operator.replay.fold import Fold
from taxi_operator.replay.grid import MAX_POINTS, Looks, approximated, chunks, demands
from taxi_operator.replay.history import fetch
from taxi_operator.replay.story import Story, document_of, lines, summary, told
from taxi_operator.replay.world import Assumed, Verdict
from taxi_operator.spec.policy import Policy, policy_of
from taxi_operator.spec.signals import Condition

START = 1_760_000_010
SPEC: dict[str, Any] = {
    "target": {"deploymentName": "champion", "activeServiceName": "active"},
    "signals": [
        {
            "name": "drift", "promql": "drift", "freshnessPromql": "age", "maxAgeSeconds": 60,
            "enter": {"op": "Greater", "value": "1", "for": "5m"},
            "exit": {"op": "Less", "value": "0.8", "for": "10m"},
            "minSamples": {"promql": "rows", "value": 100},
        },
        {
            "name": "error", "promql": "error",
            "enter": {"op": "Greater", "value": "1", "for": "2m"},
            "exit": {"op": "Less", "value": "0.8", "for": "5m"},
        },
    ],
    "rules": {
        "retrain": {"anyOf": [{"allOf": ["drift"]}]},
        "fallback": {"anyOf": [{"allOf": ["error"]}]},
    },
    "retrain": {"jobFrom": {"cronJobName": "train"}, "maxPerDay": 2,
                "pauseAfter": {"success": "1h", "failure": "30m"}},
    "fallback": {"deploymentName": "fallback", "minDwell": "10m"},
}  # fmt: skip


def looks_of(seconds: float, every: float = 30.0, begin: float = START) -> Looks:
    return Looks(round(begin * 1000), round(every * 1000), int(seconds / every) + 1)


def recorded(seconds: float, scrape: float = 15.0, **values: Any) -> Recorded:
    """Return samples from before the first look on; a value may be a function of the time."""
    first = START - 7200
    count = int((seconds + 7200) / scrape) + 1
    times = [first + scrape * number for number in range(count)]
    series = {
        name: [
            (at, one)
            for at in times
            if (one := value(at - START) if callable(value) else value) is not None
        ]
        for name, value in values.items()
    }
    return Recorded(series)


def folded(
    policy: Policy, prometheus: Recorded, looks: Looks, assumed: Assumed | None = None
) -> Fold:
    histories = asyncio.run(fetch(prometheus, policy.signals, looks))
    return Fold(policy, looks, histories, assumed or Assumed())


def replayed(
    policy: Policy, prometheus: Recorded, looks: Looks, assumed: Assumed | None = None
) -> Story:
    return told(folded(policy, prometheus, looks, assumed), looks.every / 1000)


def decisions(story: Story) -> list[tuple[str, float]]:
    return [(one.what, one.at - START) for one in story.entries if one.is_decision]


# What is seen


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([None, 0.5, 1.5, math.nan, math.inf]), min_size=1, max_size=60),
    st.integers(0, 30), st.integers(0, 40),
)  # fmt: skip
def test_window_says_what_a_series_of_the_same_samples_says(
    values: list[float | None], length: int, since: int
) -> None:
    condition, step = Condition("Greater", 1.0, length * 15.0), 15.0
    samples = [(1000 + step * at, one) for at, one in enumerate(values) if one is not None]
    cursor = Cursor(Judged(LongSeries(samples), condition), condition.for_seconds, step)
    after = 1000.0 + step * since
    for number in range(len(values) + 4):
        now = 1000 + step * number
        start = now - condition.for_seconds
        within = tuple(one for one in samples if max(start, after) <= one[0] <= now)
        series, window = Series(within, start, now, step), cursor.window(now, after)

        assert str((window.count, window.newest)) == str((series.count, series.newest))
        assert window.is_current == series.is_current
        assert window.is_covered == series.is_covered
        assert window.covered_seconds == series.covered_seconds
        assert window.all_hold(condition) == series.all_hold(condition)


def noisy(seed: int, holes: float) -> Any:
    """Return a signal that walks around its threshold, with holes and a stretch of silence."""
    chance = random.Random(seed)
    level = 1.0

    def value(at: float) -> float | None:
        nonlocal level
        level += chance.uniform(-0.12, 0.12) - 0.02 * (level - 0.95)
        if chance.random() < holes or 4000 < at < 5000:
            return None
        return math.nan if chance.random() < 0.002 else level

    return value


@pytest.mark.parametrize("every", [30.0, 60.0, 45.0])
@pytest.mark.parametrize(("enter", "leave"), [("5m", "10m"), ("0s", "2m"), ("70m", "3m")])
def test_readings_are_those_of_the_operator_at_the_same_times(
    every: float, enter: str, leave: str
) -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["signals"][0]["enter"]["for"], spec["signals"][0]["exit"]["for"] = enter, leave
    policy = policy_of(spec)
    prometheus = recorded(
        9000, drift=noisy(1, 0.05), error=noisy(2, 0.2), age=lambda at: 10.0 if at % 900 else 300.0,
        rows=lambda at: 50.0 if 1000 < at < 1500 else 500.0,
    )  # fmt: skip
    looks = looks_of(9000, every)
    assert approximated(policy.signals, looks.every) == {}
    # Nothing is begun, so that no promotion resets the signals.
    watching = replace(policy, retrain=None, fallback=None)

    async def live() -> Iterator[Any]:
        status, found = Status(), []
        for look in looks:
            prometheus.at = look / 1000
            seen = await observe(watching, status, RecordedServers(prometheus))  # type: ignore[arg-type]
            status = status.read(seen.readings)
            found.append(seen.readings)
        return iter(found)

    expected = list(asyncio.run(live()))
    found = [one.readings for one in folded(watching, prometheus, looks)]

    assert [list(map(str, one)) for one in found] == [list(map(str, one)) for one in expected]
    states = {str(one.state) for readings in found for one in readings}
    assert states >= {"Healthy", "NoData", "InsufficientSamples", "Breached"}, states


def test_ranges_are_such_as_prometheus_answers() -> None:
    policy = policy_of(SPEC)
    prometheus = recorded(0, drift=1.0, error=1.0, age=1.0, rows=1.0)
    looks = looks_of(30 * DAY)
    needed = demands(policy.signals, looks)
    for grid, (first, last) in needed.items():
        parts = list(chunks(first, last, grid.step))
        assert all((end - start) // grid.step < MAX_POINTS for start, end in parts)
        assert (parts[0][0], parts[-1][1]) == (first, last)
        assert all(after - end == grid.step for (_, end), (after, _) in pairwise(parts))
    asyncio.run(fetch(prometheus, policy.signals, looks_of(DAY)))
    assert all((end - start) / step < MAX_POINTS for start, end, step in prometheus.asked)

    with pytest.raises(FieldError, match="samples"):
        asyncio.run(fetch(prometheus, policy.signals, looks_of(100 * 365 * DAY)))


def test_steps_that_suit_no_grid_are_the_nearest_and_told() -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["signals"][1]["enter"]["for"] = "168h"
    signals = policy_of(spec).signals

    assert approximated(signals, 30_000) == {"error": (120.96, 120.0)}
    grids = demands(signals, looks_of(DAY))
    assert sum(grid.promql == "error" for grid in grids) <= 8


# What is decided


def between(begin: float, end: float) -> Any:
    return lambda at: 2.0 if begin <= at < end else 0.1


def test_runs_obey_pause_and_limit_and_what_held_them_is_told() -> None:
    policy = policy_of(SPEC)
    prometheus = recorded(DAY, drift=between(3600, DAY), error=0.1, age=1.0, rows=500.0)

    story = replayed(policy, prometheus, looks_of(DAY))

    begun = decisions(story)
    assert [what for what, _ in begun] == ["Retrain", "Retrain"]
    assert 3600 + 270 <= begun[0][1] <= 3600 + 330
    # Job 600 s, rollout a minute, then an hour's pause.
    assert 3600 + 660 <= begun[1][1] - begun[0][1] <= 3600 + 780
    assert (story.runs, story.promotions, story.moves) == (2, 2, 0)
    assert {one.reason for one in story.held} == {"Cooldown", "BudgetExhausted"}
    text = "\n".join(lines(story))
    assert "Retrain because of drift [drift Breached" in text
    assert "held by Cooldown until" in text
    assert "CandidatePromoted" in text


def test_fallback_serves_until_the_exit_lasted_and_its_time_is_counted() -> None:
    policy = policy_of(SPEC)
    error = between(3600, 7200)
    prometheus = recorded(4 * HOUR, drift=0.1, error=error, age=1.0, rows=500.0)

    story = replayed(policy, prometheus, looks_of(4 * HOUR))

    (to, left), (back, returned) = decisions(story)
    assert (to, back) == ("Fallback", "Restore")
    assert 3600 + 90 <= left <= 3600 + 150
    assert 7200 + 270 <= returned <= 7200 + 330
    assert story.fallback_seconds == returned - left
    # Breached, and the champion answered: never, since the same look moved it.
    assert story.harmed_seconds == 0
    found = document_of(story)
    assert json.loads(json.dumps(found)) == found
    assert summary(story)["movesToFallback"] == 1


@pytest.mark.parametrize(
    ("verdict", "runs", "promotions"), [(Verdict.NOT_BETTER, 2, 0), (Verdict.FAILED, 2, 0)]
)
def test_runs_that_come_to_nothing_follow_the_shorter_pause(
    verdict: Verdict, runs: int, promotions: int
) -> None:
    policy = policy_of(SPEC)
    prometheus = recorded(DAY, drift=2.0, error=0.1, age=1.0, rows=500.0)

    story = replayed(policy, prometheus, looks_of(DAY / 2), Assumed(verdict))

    assert (story.runs, story.promotions) == (runs, promotions)
    notes = {one.what for one in story.entries}
    assert ("RetrainAttemptFailed" in notes) is (verdict is Verdict.FAILED)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("verdict", Verdict)
def test_plan_is_not_asked_only_where_it_would_say_the_same(verdict: Verdict, seed: int) -> None:
    spec = {**SPEC, "freezeWindows": [{"days": ["Thu"], "from": "10:00", "to": "12:00"}]}
    policy = policy_of(spec)
    prometheus = recorded(
        6 * HOUR, drift=noisy(seed, 0.02), error=noisy(seed + 100, 0.02), age=1.0, rows=500.0
    )
    looks, assumed = looks_of(6 * HOUR), Assumed(verdict)
    histories = asyncio.run(fetch(prometheus, policy.signals, looks))

    asked = list(Fold(policy, looks, histories, assumed, asks_always=True))
    found = list(Fold(policy, looks, histories, assumed))

    assert [str(one) for one in found] == [str(one) for one in asked]
    assert any(one.decided for one in found)


def test_silence_starts_nothing() -> None:
    prometheus = recorded(HOUR, drift=lambda at: 2.0 if at < 60 else None, error=None, rows=500.0)

    story = replayed(policy_of(SPEC), prometheus, looks_of(6 * HOUR))

    assert decisions(story) == []


def test_what_is_asked_by_hand_and_the_mode_are_left_out() -> None:
    until = "2099-01-01T00:00:00Z"
    spec = {
        **SPEC, "mode": "Suspend", "gate": {"approval": "Required"},
        "forceTraffic": {"to": "Champion", "until": until, "reason": "a trial"},
    }  # fmt: skip
    prometheus = recorded(DAY, drift=2.0, error=2.0, age=1.0, rows=500.0)

    story = replayed(policy_of(spec), prometheus, looks_of(HOUR))

    assert (story.runs, story.promotions, story.moves) == (1, 1, 1)


def test_freeze_window_holds_a_promotion_in_a_replay_too() -> None:
    spec = {
        **SPEC,
        "freezeWindows": [{"start": "2020-01-01T00:00:00Z", "end": "2099-01-01T00:00:00Z"}],
    }
    prometheus = recorded(DAY, drift=2.0, error=0.1, age=1.0, rows=500.0)

    story = replayed(policy_of(spec), prometheus, looks_of(HOUR))

    assert (story.runs, story.promotions) == (1, 0)
    assert story.counts["PromotionFrozen"] == 1


def test_observation_keeps_the_next_run_waiting_and_finds_nothing() -> None:
    spec = {**SPEC, "observation": {"for": "2h"}, "retrain": {**SPEC["retrain"], "pauseAfter": {}}}
    spec["retrain"]["pauseAfter"] = {"success": "0s"}
    prometheus = recorded(DAY, drift=2.0, error=0.1, age=1.0, rows=500.0)

    story = replayed(policy_of(spec), prometheus, looks_of(6 * HOUR))

    begun = [at for what, at in decisions(story) if what == "Retrain"]
    assert len(begun) == 2
    # A Job, its rollout, two hours, another Job.
    assert 2 * HOUR + 1260 <= begun[1] - begun[0] <= 2 * HOUR + 1560
    assert story.promotions == 2
    assert story.counts["ObservationJobStarted"] == 2


def test_two_policies_are_measured_by_the_signals_of_both() -> None:
    eager = policy_of(SPEC)
    spec = json.loads(json.dumps(SPEC))
    spec["signals"][1]["enter"]["for"] = "30m"
    late = policy_of(spec)
    prometheus = recorded(
        4 * HOUR, drift=0.1, error=between(3600, 7200), age=1.0, rows=500.0, simple=0.5,
        rmse=between(3600, 7200),
    )  # fmt: skip
    looks = looks_of(4 * HOUR)
    signals = list(dict.fromkeys((*eager.signals, *late.signals)))
    more = (("rmse", 300.0), ("simple", 300.0))
    histories = asyncio.run(fetch(prometheus, signals, looks, more))

    first, second = compared(
        [eager, late], signals, looks, histories, Assumed(), Answer("rmse", "simple")
    )

    assert (first.story.moves, second.story.moves) == (2, 2)
    assert first.story.harmed_seconds < 60
    assert 27 * 60 <= second.story.harmed_seconds <= 29 * 60
    assert first.story.fallback_seconds > second.story.fallback_seconds
    assert first.document()["realisedError"] < second.document()["realisedError"]
    assert first.document()["looksWithError"] == looks.count


# The command line around it


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", 1000.0), ("10m", 400.0), ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T01:00:00+01:00", 0.0), ("1970-01-01T00:01:00", 60.0),
    ],
)  # fmt: skip
def test_moment_is_a_time_or_a_distance_from_now(text: str, seconds: float) -> None:
    assert moment_of(text, "--from", 1000.0) == seconds


@pytest.mark.parametrize(
    ("begin", "end", "step"),
    [("soon", "now", ""), ("1h", "2h", ""), ("1h", "now", "10ms"), ("20000h", "now", "1s")],
)
def test_span_that_cannot_be_replayed_is_refused(begin: str, end: str, step: str) -> None:
    with pytest.raises(FieldError, match="--"):
        span_of(begin, end, step, 30.0)


def test_container_without_room_is_not_filled(tmp_path: Path) -> None:
    require_room(tmp_path)  # no limit that can be read
    (tmp_path / "memory.stat").write_text("anon 104857600\nfile 999999999\n")
    for limit in ("max", str(400 * 1024**2)):
        (tmp_path / "memory.max").write_text(limit)
        require_room(tmp_path)

    (tmp_path / "memory.max").write_text(str(256 * 1024**2))
    with pytest.raises(TaxiError, match="156 MiB of memory left"):
        require_room(tmp_path)


# The live side: the whole operator in a simulated world


class Late(Source):
    """A series whose samples are stored some time after they were scraped."""

    def __init__(self, like: Source, world: World, seconds: float) -> None:
        super().__init__(like.times, like.values)
        self._world, self._seconds = world, seconds

    def newest(self, at: float) -> tuple[float, float] | None:
        return super().newest(min(at, self._world.clock.prometheus - self._seconds))

    def value(self, at: float, lookback: float) -> float | None:
        found = self.newest(at)
        return found[1] if found is not None and at - found[0] <= lookback else None


def story_of(world: World, hours: int, seed: int) -> None:
    """Let signals rise and fall at random for some hours."""
    chance = random.Random(seed)
    for _ in range(hours):
        for query in (MAIN.drift, MAIN.error):
            if chance.random() < 0.6:
                world.signal(query, chance.choice([BREACHED, HEALTHY, 0.9, None]))
        world.run(HOUR)


def lived(world: World, *, outcome: Outcome, hours: int, seed: int) -> list[tuple[str, float]]:
    """Return what the operator decided, with the times."""
    world.start()
    world.add_policy(MAIN)
    world.train(MAIN, outcome)
    story_of(world, hours, seed)
    return [
        (one.facts["action"], one.api)
        for one in world.journal.of("decision")
    ]  # fmt: skip


def replayed_from(world: World, hours: int, assumed: Assumed) -> list[tuple[str, float]]:
    """Return what a replay decides on the history of a world."""
    policy = policy_of(spec_of(MAIN))
    looks = Looks(round(BEGIN * 1000), 60_000, hours * 60)
    caller = Caller("replay", world.network, lambda: None)
    prometheus = SimulatedPrometheus(world.monitoring, caller, 5.0)
    with world.running():
        histories = world.loop.run_until_complete(fetch(prometheus, policy.signals, looks))
    story = told(Fold(policy, looks, histories, assumed), 60.0)
    return [(one.what, one.at) for one in story.entries if one.is_decision]


OUTCOMES = [
    (Outcome(seconds=100), Verdict.BETTER),
    (Outcome(seconds=100, result=RunResult.NOT_BETTER), Verdict.NOT_BETTER),
    (Outcome(seconds=100, result=None, exit_code=1), Verdict.FAILED),
]


@pytest.mark.parametrize(("outcome", "verdict"), OUTCOMES)
def test_replay_decides_what_the_operator_decided(outcome: Outcome, verdict: Verdict) -> None:
    world, hours = World(MAIN, pace=60.0), 14
    try:
        live = lived(world, outcome=outcome, hours=hours, seed=1)
        assumed = Assumed(verdict, run_seconds=100, rollout_seconds=20)
        found = replayed_from(world, hours, assumed)
    finally:
        world.close()

    assert len(live) > 4
    assert [what for what, _ in found] == [what for what, _ in live]
    # Looks are a minute apart, and live ones move a bit with each switch that is followed.
    assert max(abs(one - other) for (_, one), (_, other) in zip(found, live, strict=True)) <= 120


def test_live_decision_that_waited_for_late_samples_is_that_much_later() -> None:
    """Replay sees what is stored now; the operator saw what was stored then."""
    world, hours, late = World(MAIN, pace=60.0), 8, 20.0
    try:
        sources = world.monitoring.sources
        for query in (MAIN.drift, MAIN.error):
            sources[query] = Late(sources[query], world, late)
        live = lived(world, outcome=OUTCOMES[0][0], hours=hours, seed=4)
        found = replayed_from(world, hours, Assumed(run_seconds=100, rollout_seconds=20))
    finally:
        world.close()

    assert [what for what, _ in found] == [what for what, _ in live]
    assert live
    lags = [one - other for (_, one), (_, other) in zip(live, found, strict=True)]
    assert all(-MINUTE <= lag <= late + 2 * MINUTE for lag in lags), lags
