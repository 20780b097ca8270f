"""A status that cannot be read costs its own policy one evaluation, and others nothing."""

import pytest
from support.control_plane import condition_of
from support.operator_process import eventually
from support.policy_namespace import CHAMPION, FALLBACK, PolicyNamespace

pytestmark = pytest.mark.component

AHEAD = "2099-01-01T00:00:00Z"


def test_status_of_another_release_is_rebuilt_and_told_once(world: PolicyNamespace) -> None:
    world.say(error=2)
    world.apply_policy()
    operator = world.operator()
    eventually(
        "the fallback serves", lambda: "lastSwapSeconds" in world.status().get("traffic", {})
    )
    operator.kill()
    strange = {
        "traffic": {"active": "Shadow", "since": AHEAD},
        "run": {"number": 7, "state": "Observing", "startedAt": AHEAD},
        "signalsResetAt": AHEAD,
    }
    world.api.patch("DriftPolicy", world.namespace, "p", {"status": strange}, "/status")

    operator = world.operator()
    world.add_service("kept")

    eventually("others are served", lambda: world.selects("kept") == CHAMPION)
    eventually("it is told", lambda: "StatusUnreadable" in world.events())
    eventually(
        "the traffic is known",
        lambda: world.status().get("traffic", {}).get("active") == "Fallback",
    )
    operator.reconcile(3)
    assert world.selects() == FALLBACK
    assert "run" not in world.status()
    assert world.status()["signalsResetAt"] < AHEAD
    assert world.events().count("StatusUnreadable") == 1
    assert condition_of(world.policy(), "Ready") == ("True", "PolicyAccepted")
