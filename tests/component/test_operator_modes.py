"""DryRun, Suspend, and two policies that want the same."""

import pytest
from support.control_plane import condition_of
from support.operator_process import eventually
from support.policy_namespace import FALLBACK, PolicyNamespace

from taxi_domain.kube import POLICY_LABEL

pytestmark = pytest.mark.component


def set_mode(world: PolicyNamespace, mode: str) -> None:
    world.api.patch("DriftPolicy", world.namespace, "p", {"spec": {"mode": mode}})


def test_dry_run_says_and_enforcing_acts_once(world: PolicyNamespace) -> None:
    operator = world.operator()
    world.say(drift=2)
    world.apply_policy(mode="DryRun")

    eventually(
        "it says what it would do",
        lambda: (world.status().get("decision") or {}).get("action") == "DryRunRetrain",
    )
    operator.reconcile()
    assert world.jobs() == []
    assert world.events().count("DryRun") == 1

    set_mode(world, "Enforce")
    eventually("a Job", world.jobs)
    operator.reconcile()
    assert len(world.jobs()) == 1


def test_suspended_policy_leaves_everything_as_it_is(world: PolicyNamespace) -> None:
    operator = world.operator()
    world.say(error=2)
    world.apply_policy()
    eventually("the fallback serves", lambda: "FallbackActivated" in world.events())

    set_mode(world, "Suspend")
    eventually(
        "it is suspended",
        lambda: condition_of(world.policy(), "RetrainInProgress") == ("False", "Suspended"),
    )
    world.say(error=0, drift=2)
    operator.reconcile(3)
    assert world.selects() == FALLBACK
    assert world.jobs() == []
    assert world.status()["history"][0]["action"] == "Fallback"

    set_mode(world, "Enforce")
    eventually("it acts again", lambda: world.selects() != FALLBACK and world.jobs())


def test_one_of_two_policies_with_one_target_is_served(world: PolicyNamespace) -> None:
    operator = world.operator()
    world.say(drift=2)
    names = ("p", "q")
    for name in names:
        world.apply_policy(name)

    def reasons() -> dict[str, str]:
        return {name: condition_of(world.policy(name), "Ready")[1] for name in names}

    eventually(
        "both are judged",
        lambda: sorted(reasons().values()) == ["PolicyAccepted", "TargetConflict"],
    )
    served, other = sorted(names, key=lambda name: reasons()[name])
    eventually("a Job", world.jobs)
    for name in names:
        operator.reconcile(2, name)
    assert [one["metadata"]["labels"][POLICY_LABEL] for one in world.jobs()] == [served]

    world.delete_policy(served)
    eventually("the other takes over", lambda: reasons()[other] == "PolicyAccepted")


def test_policy_that_only_watches_stands_beside_the_one_that_acts(world: PolicyNamespace) -> None:
    world.operator()
    world.say(error=2)
    world.apply_policy("p", mode="DryRun")
    eventually("it is served", lambda: condition_of(world.policy(), "Ready")[0] == "True")

    world.apply_policy("q")

    eventually("the other one acts", lambda: world.selects() == FALLBACK)
    eventually(
        "both see it", lambda: condition_of(world.policy("p"), "FallbackActive")[0] == "True"
    )
    assert condition_of(world.policy("p"), "Ready") == ("True", "PolicyAccepted")

    # What the watching one saw is no reason to keep the traffic there.
    world.delete_policy("q")
    eventually("the champion serves again", lambda: world.selects() != FALLBACK)
