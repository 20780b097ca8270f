"""The traffic moves, returns, and survives deleted policies and lost statuses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.control_plane import condition_of
from support.operator_process import eventually
from support.policy_namespace import (
    CHAMPION,
    FALLBACK,
    SERVICE,
    PolicyNamespace,
    object_of_chart,
)

pytestmark = pytest.mark.component


def switched(world: PolicyNamespace) -> bool:
    traffic = world.status().get("traffic") or {}
    return traffic.get("active") == "Fallback" and "lastSwapSeconds" in traffic


def to_fallback(world: PolicyNamespace, **spec: Any) -> None:
    """Let the error rise until the fallback serves."""
    world.say(error=2)
    world.apply_policy(**spec)
    eventually("the fallback serves", lambda: switched(world))
    assert world.selects() == FALLBACK


def set_interval(world: PolicyNamespace, seconds: int) -> None:
    """Change the interval, and wait until the operator has read it."""
    change = {"spec": {"evaluation": {"intervalSeconds": seconds}}}
    world.api.patch("DriftPolicy", world.namespace, "p", change)
    changed = world.policy()
    assert changed is not None
    wanted = changed["metadata"]["generation"]
    eventually("it is read", lambda: world.status().get("observedGeneration") == wanted)


def test_new_service_gets_the_champion_without_any_policy(world: PolicyNamespace) -> None:
    world.operator()

    eventually("the champion is selected", lambda: world.selects() == CHAMPION)


def test_deleted_policy_gives_the_traffic_back(world: PolicyNamespace) -> None:
    world.operator()
    to_fallback(world)

    world.delete_policy()

    eventually("the champion serves", lambda: world.selects() == CHAMPION)
    eventually("it is told", lambda: "ChampionRestored" in world.events(SERVICE))


def test_retained_traffic_stays_after_the_policy(world: PolicyNamespace) -> None:
    world.operator()
    to_fallback(world, deletionPolicy="Retain")

    world.delete_policy()
    eventually("the policy is gone", lambda: world.policy() is None)

    world.add_service("kept")
    eventually("the selector loop was here", lambda: world.selects("kept") == CHAMPION)
    assert world.selects() == FALLBACK


def test_traffic_waits_for_a_champion_that_is_not_ready(world: PolicyNamespace) -> None:
    world.operator()
    to_fallback(world)
    world.controllers.ready[CHAMPION] = 0
    eventually("the champion is absent", lambda: world.ready_pods(CHAMPION) == 0)

    world.delete_policy()
    world.add_service("kept")
    eventually("the selector loop was here", lambda: world.selects("kept") == CHAMPION)
    assert world.policy() is None
    assert world.selects() == FALLBACK

    world.controllers.ready[CHAMPION] = 1
    eventually("the champion serves", lambda: world.selects() == CHAMPION)


def test_lost_status_moves_no_traffic(world: PolicyNamespace) -> None:
    world.operator()
    to_fallback(world)
    # From here on the policy is not ticked: what moves the traffic is the selector loop.
    set_interval(world, 3600)

    world.api.patch("DriftPolicy", world.namespace, "p", {"status": None}, "/status")
    world.add_service("kept")

    eventually("the selector loop was here", lambda: world.selects("kept") == CHAMPION)
    assert world.selects() == FALLBACK
    set_interval(world, 2)
    eventually("the traffic is known again", lambda: switched(world))
    assert condition_of(world.policy(), "FallbackActive")[0] == "True"
    assert world.selects() == FALLBACK


def test_traffic_returns_when_the_fallback_dies(world: PolicyNamespace) -> None:
    world.operator()
    to_fallback(world)

    world.controllers.ready[FALLBACK] = 0

    eventually("the champion serves", lambda: world.selects() == CHAMPION)


def test_traffic_does_not_move_to_a_fallback_that_is_not_ready(world: PolicyNamespace) -> None:
    world.controllers.ready[FALLBACK] = 0
    operator = world.operator()
    world.say(error=2)
    world.apply_policy()

    eventually(
        "it says why",
        lambda: condition_of(world.policy(), "FallbackActive") == ("False", "FallbackNotReady"),
    )
    operator.reconcile()
    assert world.selects() == CHAMPION


def test_restore_that_a_crash_cut_off_waits_for_ready_pods(world: PolicyNamespace) -> None:
    first = world.operator()
    to_fallback(world)
    first.kill()
    world.say(error=0)
    world.operator(fault="after-intent").wait_for_death()
    assert (world.status()["traffic"]["active"], world.selects()) == ("Champion", FALLBACK)
    world.controllers.ready[CHAMPION] = 0
    eventually("the champion is absent", lambda: world.ready_pods(CHAMPION) == 0)

    world.operator()

    stays_at_fallback(world)
    assert "lastSwapSeconds" not in world.status()["traffic"]
    world.controllers.ready[CHAMPION] = 1
    eventually("the swap ends", lambda: "lastSwapSeconds" in world.status()["traffic"])
    assert world.selects() == CHAMPION
    eventually("it is told", lambda: "ChampionRestored" in world.events())


def test_hand_that_saves_the_traffic_from_an_absent_champion_is_heeded(
    world: PolicyNamespace,
) -> None:
    world.operator()
    world.apply_policy()
    eventually("the champion is selected", lambda: world.selects() == CHAMPION)
    eventually("the policy knows", lambda: "active" in world.status().get("traffic", {}))
    world.controllers.ready[CHAMPION] = 0
    eventually("the champion is absent", lambda: world.ready_pods(CHAMPION) == 0)

    fallback = world.api.get("Deployment", world.namespace, FALLBACK)
    assert fallback is not None
    change = {"spec": {"selector": fallback["spec"]["selector"]["matchLabels"]}}
    world.api.patch("Service", world.namespace, SERVICE, change)

    stays_at_fallback(world)
    world.controllers.ready[CHAMPION] = 1
    eventually("the champion serves", lambda: world.selects() == CHAMPION)


def test_selector_that_another_manager_takes_by_force_is_set_again(world: PolicyNamespace) -> None:
    """As `helm upgrade --force-conflicts`, or a sync of Argo CD, with a selector of their own."""
    world.operator()
    to_fallback(world)
    champion = world.api.get("Deployment", world.namespace, CHAMPION)
    assert champion is not None
    service = object_of_chart("Service", SERVICE)
    service["spec"]["selector"] = champion["spec"]["selector"]["matchLabels"]

    taken = world.api.apply(service, world.namespace)

    assert taken["spec"]["selector"] == service["spec"]["selector"]
    eventually("the fallback serves again", lambda: world.selects() == FALLBACK)
    assert [one["action"] for one in world.status()["history"]] == ["Fallback"]


def stays_at_fallback(world: PolicyNamespace) -> None:
    """See that the selector loop leaves the traffic where it is, and that the policy says why."""
    world.add_service("kept")
    eventually("the selector loop was here", lambda: world.selects("kept") == CHAMPION)
    eventually(
        "it says why",
        lambda: condition_of(world.policy(), "FallbackActive") == ("True", "ChampionNotReady"),
    )
    assert world.selects() == FALLBACK


def test_other_releases_are_left_alone(world: PolicyNamespace) -> None:
    operator = world.operator(instance="other")
    world.add_service("other-predict", instance="other")
    world.say(error=2)
    world.apply_policy("theirs")
    target = {"deploymentName": CHAMPION, "activeServiceName": "other-predict"}
    world.apply_policy(target=target)

    eventually("its own policy acts", lambda: world.selects("other-predict") == FALLBACK)
    operator.reconcile()
    assert world.selects() == ""
    assert world.status("theirs") == {}


def absent_for(world: PolicyNamespace, minutes: int) -> None:
    """Let the champion have no ready pod for some time already, by its own condition."""
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    world.controllers.unavailable_since[CHAMPION] = at.isoformat(timespec="seconds")
    world.controllers.ready[CHAMPION] = 0
    eventually("the champion is absent", lambda: world.ready_pods(CHAMPION) == 0)


def test_traffic_leaves_a_champion_that_is_unavailable_without_prometheus(
    world: PolicyNamespace,
) -> None:
    operator = world.operator(PROMETHEUS_URL="http://127.0.0.1:9")
    world.apply_policy(
        rules=None,
        fallback={"deploymentName": FALLBACK, "minDwell": "1h"},
    )  # fmt: skip
    eventually("the champion is selected", lambda: world.selects() == CHAMPION)

    absent_for(world, 2)

    eventually("the fallback serves", lambda: switched(world))
    operator.reconcile()
    assert world.selects() == FALLBACK
    assert condition_of(world.policy(), "FallbackActive") == ("True", "ChampionUnavailable")
    assert world.status()["traffic"]["reason"] == "ChampionUnavailable"
    assert "FallbackActivated" in world.events()
    assert operator.metric("taxi_operator_rescues_total") == 1
    assert operator.metric("taxi_operator_champion_unavailable") == 1

    world.controllers.ready[CHAMPION] = 1
    eventually(
        "it waits for the dwell time",
        lambda: condition_of(world.policy(), "FallbackActive") == ("True", "ChampionSettling"),
    )
    assert world.selects() == FALLBACK
    assert operator.metric("taxi_operator_champion_unavailable") == 0


def test_first_look_at_a_missing_deployment_survives_a_restart(world: PolicyNamespace) -> None:
    first = world.operator()
    world.apply_policy(rules=None)
    eventually("the champion is selected", lambda: world.selects() == CHAMPION)
    world.api.delete("Deployment", world.namespace, CHAMPION)
    eventually("it is seen", lambda: "championSince" in world.status().get("traffic", {}))
    assert condition_of(world.policy(), "Ready") == ("False", "TargetMissing")
    first.kill()
    earlier = {"championSince": (datetime.now(UTC) - timedelta(seconds=90)).isoformat()}
    world.api.patch(
        "DriftPolicy", world.namespace, "p", {"status": {"traffic": earlier}}, "/status"
    )

    world.operator()

    eventually("the fallback serves", lambda: world.selects() == FALLBACK)


@pytest.mark.parametrize(
    ("mode", "reason"), [("DryRun", "ChampionUnavailable"), ("Suspend", "ChampionUnavailable")]
)
def test_unavailable_champion_keeps_the_traffic_where_nothing_is_enforced(
    world: PolicyNamespace, mode: str, reason: str
) -> None:
    operator = world.operator()
    world.apply_policy(mode=mode)
    eventually("the champion is selected", lambda: world.selects() == CHAMPION)

    absent_for(world, 2)

    eventually(
        "it is told",
        lambda: condition_of(world.policy(), "FallbackActive") == ("False", reason),
    )
    operator.reconcile()
    assert world.selects() == CHAMPION
    assert world.events().count("DryRun") == (mode == "DryRun")
