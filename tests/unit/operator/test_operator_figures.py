"""A status is written when a state in it changed; values that flicker are written seldom."""

from typing import Any

import pytest
from support.simulator.clock import HOUR, MINUTE
from support.simulator.policies import MAIN
from support.simulator.world import BREACHED, World

from taxi_operator.figures import REFRESH_SECONDS, SHARE_SECONDS, Figures, essence

Document = dict[str, Any]


def status(value: str = "0.1", **parts: object) -> Document:
    signal = {"name": "drift", "state": "Healthy", "breached": False}
    drift = {"type": "DriftDetected", "status": "False", "reason": "SignalsHealthy"}
    return {
        "signals": [{**signal, "value": value, "samples": len(value), "message": f"is {value}"}],
        "conditions": [
            {**drift, "message": f"drift: {value}"},
            {"type": "Ready", "status": "True", "reason": "PolicyAccepted", "message": ""},
        ],
        **parts,
    }


class Written:
    """Figures of some policies, and their time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.figures = Figures(lambda: self.now)
        self.stored: dict[str, Document] = {}
        self.writes = 0

    def look(self, found: Document, policy: str = "p") -> bool:
        is_news = self.figures.is_news(policy, self.stored.get(policy, {}), found)
        if is_news:
            self.stored[policy] = found
            self.writes += 1
        return is_news


@pytest.fixture
def world() -> Written:
    """Return a policy whose status was just written."""
    found = Written()
    assert found.look(status())
    return found


def test_figures_alone_wait(world: Written) -> None:
    assert not world.look(status("0.2"))

    world.now += 1.2 * REFRESH_SECONDS
    assert world.look(status("0.3"))
    assert not world.look(status("0.4"))


@pytest.mark.parametrize(
    "parts",
    [
        {"run": {"message": "JobRunning"}},
        {"decision": {"number": 1}},
        {"traffic": {"active": "Fallback"}},
        {"budget": {"runsInWindow": 1, "maxRuns": 4}},
        {"signals": [{"name": "drift", "state": "Pending", "breached": False, "value": "0.1"}]},
        {"signals": []},
        {"conditions": [{"type": "DriftDetected", "status": "False", "reason": "NoData"}]},
        {"conditions": [{"type": "Ready", "status": "False", "reason": "X", "message": "why"}]},
        {"somebody": "else's"},
    ],
)
def test_everything_else_is_written_at_once(world: Written, parts: Document) -> None:
    assert world.look(status(**parts))
    assert not world.look(status(**parts))


def test_text_of_a_condition_that_tells_no_figure_is_written_at_once(world: Written) -> None:
    found = status()
    found["conditions"][1]["message"] = "another"

    assert world.look(found)


def test_strange_status_differs_and_breaks_nothing(world: Written) -> None:
    world.stored["p"] = {"signals": "?", "conditions": [5]}

    assert world.look(status())
    assert essence({}) == essence({"signals": None, "conditions": {}})


def test_all_policies_together_write_seldom() -> None:
    world = Written()
    names = [f"policy-{number}" for number in range(200)]
    for name in names:
        world.look(status(), name)
    world.writes = 0
    seconds = 4 * 200 * SHARE_SECONDS

    for number in range(int(seconds / 30)):
        for name in names:
            world.look(status(str(number)), name)
        world.now += 30

    assert 3 * 200 <= world.writes <= 1.2 * seconds / SHARE_SECONDS


def test_new_process_does_not_write_all_at_once() -> None:
    before, after = Written(), Written()
    names = [f"policy-{number}" for number in range(20)]
    for name in names:
        before.look(status(), name)
        after.stored[name] = before.stored[name]

    written = []
    for _ in range(11):
        written.append(sum(after.look(status(str(after.now)), name) for name in names))
        after.now += 0.1 * REFRESH_SECONDS

    assert max(written) < len(names) / 2
    assert sum(written) >= len(names)


def test_quiet_hour_with_values_that_flicker_has_few_writes_and_a_breach_is_told_at_once() -> None:
    world = World(MAIN, pace=60.0)
    try:
        world.start()
        world.add_policy(MAIN)
        world.run(5 * MINUTE)
        versions = set()
        for number in range(60):
            world.signal(MAIN.drift, 0.1 + number / 1000)
            world.run(MINUTE)
            versions.add(world.policy(MAIN.policy)["metadata"]["resourceVersion"])
        assert 4 <= len(versions) <= 1.2 * HOUR / REFRESH_SECONDS + 1

        world.signal(MAIN.drift, BREACHED)
        world.run(90.0)
        (drift,) = (one for one in world.status(MAIN.policy)["signals"] if one["name"] == "drift")
        assert (drift["state"], drift["value"]) == ("Pending", "5")
    finally:
        world.close()
