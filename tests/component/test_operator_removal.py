"""Removal ends in every order, with the fallback serving and the operator gone first."""

from collections.abc import Iterator

import pytest
from support.control_plane import ControlPlane
from support.operator_process import eventually
from support.policy_namespace import CHAMPION, FALLBACK, PolicyNamespace, crd, serve_resource

from taxi_operator.app import OLD_FINALIZER

pytestmark = pytest.mark.component


@pytest.fixture
def served(world: PolicyNamespace) -> PolicyNamespace:
    """Return a world whose fallback serves."""
    world.say(error=2)
    world.apply_policy()
    world.operator()
    eventually("the fallback serves", lambda: world.selects() == FALLBACK)
    eventually("it is known", lambda: "lastSwapSeconds" in world.status()["traffic"])
    return world


def finalizers(world: PolicyNamespace) -> list[str]:
    return ((world.policy() or {}).get("metadata") or {}).get("finalizers") or []


def test_policy_goes_at_once_and_the_traffic_after_it(served: PolicyNamespace) -> None:
    assert finalizers(served) == []

    served.delete_policy()

    eventually("the policy is gone", lambda: served.policy() is None)
    eventually("the champion serves", lambda: served.selects() == CHAMPION)


def test_policy_goes_without_an_operator(served: PolicyNamespace) -> None:
    served.kill_operators()

    served.delete_policy()

    eventually("the policy is gone", lambda: served.policy() is None)
    served.operator()
    eventually("the champion serves", lambda: served.selects() == CHAMPION)


def test_hold_of_an_earlier_release_is_taken_off(served: PolicyNamespace) -> None:
    served.kill_operators()
    held = {"metadata": {"finalizers": [OLD_FINALIZER]}}
    served.api.patch("DriftPolicy", served.namespace, "p", held)
    served.delete_policy()
    assert finalizers(served) == [OLD_FINALIZER]

    served.operator()

    eventually("the policy is gone", lambda: served.policy() is None)
    eventually("the champion serves", lambda: served.selects() == CHAMPION)


@pytest.fixture
def restored(control_plane: ControlPlane) -> Iterator[None]:
    """Bring the resource back after a test that removes it."""
    yield
    serve_resource(control_plane)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("operator_first", [True, False])
def test_resource_goes_with_its_policies(served: PolicyNamespace, *, operator_first: bool) -> None:
    if operator_first:
        served.kill_operators()
    name = crd()["metadata"]["name"]

    served.api.delete("CustomResourceDefinition", "", name)

    eventually(
        "the resource is gone",
        lambda: served.api.get("CustomResourceDefinition", "", name) is None,
    )
    # Without its resource kopf ends; a new operator, as the kubelet starts it, lives without.
    served.kill_operators()
    served.operator()
    eventually("the champion serves", lambda: served.selects() == CHAMPION)
