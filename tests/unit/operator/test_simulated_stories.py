"""Random stories around the operator's real code, with kills between any two of its calls.

An ordinary run tells the same stories each time, within half a minute; `make soak-stories` tells
new ones (TAXI_MACHINE_STORIES, TAXI_MACHINE_RESULT).

The first is the number of stories, a second or two each; the second, if it is there, names the file
of the result. A story that fails is told step by step, and as a blob for `reproduce_failure`. With
TAXI_MACHINE_SHORTEN=1 it is shortened first, which takes many minutes.
"""

import json
import os
import platform
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support.simulator.clock import HOUR, MINUTE
from support.simulator.faults import Armed, Fault
from support.simulator.invariants import ALWAYS, AT_REST, neighbour_is_left_alone
from support.simulator.policies import MAIN, OBSERVATION, OTHER, spec_of
from support.simulator.train_job import Outcome
from support.simulator.troubles import EDITS, OBSERVED, OF_A_POLICY, OF_ALL, OUTCOMES
from support.simulator.world import BREACHED, HEALTHY, World

_STORIES: Final = int(os.environ.get("TAXI_MACHINE_STORIES", "0"))
_RESULT: Final = os.environ.get("TAXI_MACHINE_RESULT", "")
_SHORTEN: Final = bool(os.environ.get("TAXI_MACHINE_SHORTEN"))
#: Longer than all attempts, backoffs and rollouts of a run together.
_REST: Final = HOUR
#: Kills are the more interesting ones.
_FAULTS: Final = [*Fault, Fault.KILL_BEFORE, Fault.KILL_AFTER]
_THEN: Final = st.sampled_from([0.0, 1.0, 20.0, 90.0])
_COUNTS: Final[Counter[str]] = Counter()


class Stories(RuleBasedStateMachine):
    """A policy that everything befalls, and a healthy one beside it."""

    @initialize(seed=st.integers(0, 9999), breached=st.booleans(), observed=st.booleans())
    def begin(self, seed: int, breached: bool, observed: bool) -> None:
        self.world = World(MAIN, OTHER, seed=seed, pace=30.0, hook=True)
        self.world.start()
        self.world.add_policy(OTHER, evaluation={"intervalSeconds": 120})
        self.world.add_policy(MAIN)
        if observed:
            self.world.edit(MAIN.policy, observation=OBSERVATION)
        if breached:
            self.world.signal(MAIN.drift, BREACHED)
        self.world.run(MINUTE)

    @rule(minutes=st.sampled_from([1, 3, 5, 15]))
    def time_passes(self, minutes: float) -> None:
        self.world.run(minutes * MINUTE)

    @rule(outcome=st.sampled_from(OUTCOMES), after=st.sampled_from([5.0, 60.0, 125.0, 180.0]))
    def job_is_under_way(self, outcome: Outcome, after: float) -> None:
        """Something shall befall the policy in the middle of a run."""
        self.world.train(MAIN, outcome)
        self.world.signal(MAIN.drift, BREACHED)
        self._wait("job")
        self.world.run(after)

    @rule(outcome=st.sampled_from(OBSERVED), after=st.sampled_from([0.0, 5.0, 40.0, 90.0]))
    def promotion_is_observed(self, outcome: Outcome, after: float) -> None:
        """Something shall befall the policy in the middle of an observation, or of its end."""
        self.world.edit(MAIN.policy, observation=OBSERVATION)
        self.world.train(MAIN, Outcome(seconds=5.0))
        self.world.observe(MAIN, outcome)
        self.world.signal(MAIN.drift, BREACHED)
        self._wait("look", minutes=10)
        self.world.run(after)

    @rule(
        pods=st.booleans(), after=st.sampled_from([0.0, 3.0, 60.0, 400.0]), well=st.booleans()
    )  # fmt: skip
    def traffic_moves(self, pods: bool, after: float, well: bool) -> None:
        """Something shall befall the policy in the middle of a switch, or soon after it."""
        if pods:
            self.world.workloads.break_pods(MAIN.champion)
        else:
            self.world.signal(MAIN.error, BREACHED)
        self._wait("move")
        if well:
            self.world.signal(MAIN.error, HEALTHY)
            self.world.workloads.break_pods(MAIN.champion, broken=False)
        self.world.run(after)

    @rule(what=st.sampled_from(sorted(OF_A_POLICY)), then=_THEN)
    def policy_is_befallen(self, what: str, then: float) -> None:
        OF_A_POLICY[what](self.world)
        self.world.run(then)

    @rule(what=st.sampled_from(sorted(OF_ALL)), then=_THEN)
    def all_are_befallen(self, what: str, then: float) -> None:
        OF_ALL[what](self.world)
        self.world.run(then)

    @rule(edit=st.sampled_from(sorted(EDITS)), seconds=st.sampled_from([20.0, 90.0, 400.0]))
    def policy_is_edited_for_a_while(self, edit: str, seconds: float) -> None:
        self.world.edit(MAIN.policy, **EDITS[edit])
        self.world.run(seconds)
        self.world.edit(MAIN.policy, **spec_of(MAIN))

    @rule(what=st.sampled_from(["retrain", "abort", "rollback"]), then=_THEN)
    def policy_is_asked(self, what: str, then: float) -> None:
        self.world.request(MAIN.policy, what)
        self.world.run(then)

    @rule(
        to=st.sampled_from(["Champion", "Fallback"]), seconds=st.sampled_from([30.0, 400.0]),
        then=_THEN,
    )  # fmt: skip
    def traffic_is_forced(self, to: str, seconds: float, then: float) -> None:
        self.world.force(MAIN.policy, to, seconds)
        self.world.run(then)

    @rule(calls=st.integers(0, 8), fault=st.sampled_from(_FAULTS), more=st.integers(0, 8))
    def calls_are_to_fail(self, calls: int, fault: Fault, more: int) -> None:
        """A changing call fails; another one soon after, where the operator died of the first."""
        self.world.network.armed.append(Armed(calls, fault))
        if fault is Fault.KILL_AFTER:
            self.world.network.armed.append(Armed(calls + more + 1, Fault.KILL_BEFORE))

    def _wait(self, kind: str, *, minutes: int = 4) -> None:
        """Let time pass until the operator does something; it may be kept from that."""
        before = len(self.world.journal.of(kind))
        for _ in range(minutes * 6):
            self.world.run(10.0)
            if len(self.world.journal.of(kind)) > before:
                break

    @precondition(lambda self: hasattr(self, "world"))
    @invariant()
    def holds(self) -> None:
        _COUNTS["steps"] += 1
        for check in ALWAYS:
            check(self.world)
        neighbour_is_left_alone(self.world, OTHER)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.world.heal()
            self.world.edit(MAIN.policy, signals=spec_of(MAIN)["signals"])
            self.world.pace = 60.0
            self.world.run(_REST)
            self.holds()
            for check in AT_REST:
                check(self.world)
        finally:
            _count(self.world)
            self.world.close()


def _count(world: World) -> None:
    journal = world.journal
    moves = journal.of("move")
    found = {
        "kills": len(journal.of("kill")),
        "faults": world.network.hits,
        "runs": len({(one.facts["uid"], one.facts["number"]) for one in journal.of("job")}),
        "jobs": len(journal.of("job")),
        "promotions": len(journal.of("alias")),
        "looks": len(journal.of("look")),
        "rollbacks": sum(
            '"rollback"' in "".join(one.facts["promotions"]) for one in journal.of("alias")
        ),
        "moves": len(moves),
        "emergencies": sum(not one.facts["before_ready"] for one in moves),
    }
    for name, number in found.items():
        event(f"{name}: {min(number, 5)}")
    _COUNTS.update(found, stories=1, simulated_hours=round(world.clock.seconds / HOUR))


def test_invariants_hold_in_every_story(capsys: pytest.CaptureFixture[str]) -> None:
    _COUNTS.clear()
    run_state_machine_as_test(
        Stories,
        settings=settings(
            max_examples=_STORIES or 20, stateful_step_count=60 if _STORIES else 30,
            deadline=None, derandomize=not _STORIES, print_blob=True, database=None,
            suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
            # Making a story shorter takes many minutes.
            phases=[Phase.generate, *([Phase.shrink] if _SHORTEN else [])],
        ),
    )  # fmt: skip
    with capsys.disabled():
        print(f"\n{dict(_COUNTS)}")
    if _RESULT:
        result = {"python": platform.python_version(), **_COUNTS}
        Path(_RESULT).write_text(json.dumps(result, indent=2) + "\n")
