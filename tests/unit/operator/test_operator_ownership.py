"""Two policies with one target or one model: the older one is served."""

from typing import Any

import pytest

from taxi_operator.spec.ownership import Holders


def conflicting_policy_of(one: dict[str, Any], policies: list[Any]) -> str | None:
    return Holders(policies).conflicting_policy_of(one)


def policy(
    name: str, created: str, model: str = "", mode: str = "Enforce", **target: object
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "creationTimestamp": created},
        "spec": {"mode": mode, "modelName": model or f"model-of-{name}", "target": target},
    }


def test_older_policy_keeps_the_target() -> None:
    old = policy("old", "2026-01-01T00:00:00Z", deploymentName="p", activeServiceName="s")
    new = policy("new", "2026-01-02T00:00:00Z", deploymentName="p", activeServiceName="t")
    other = policy("other", "2026-01-03T00:00:00Z", deploymentName="q", activeServiceName="u")
    policies = [new, other, old]

    assert [conflicting_policy_of(one, policies) for one in (old, new, other)] == [
        None,
        "old",
        None,
    ]


def test_equal_age_is_decided_the_same_way_for_both() -> None:
    a = policy("a", "2026-01-01T00:00:00Z", deploymentName="p", activeServiceName="s")
    b = policy("b", "2026-01-01T00:00:00Z", deploymentName="p", activeServiceName="s")

    assert (conflicting_policy_of(a, [b, a]), conflicting_policy_of(b, [b, a])) == (None, "a")


def test_one_alias_is_moved_by_one_policy() -> None:
    a = policy("a", "2026-01-01T00:00:00Z", "m", deploymentName="p", activeServiceName="s")
    b = policy("b", "2026-01-02T00:00:00Z", "m", deploymentName="q", activeServiceName="t")

    assert (conflicting_policy_of(a, [b, a]), conflicting_policy_of(b, [b, a])) == (None, "a")


def test_policy_whose_target_cannot_be_read_keeps_nobody_away() -> None:
    old = policy("old", "2026-01-01T00:00:00Z", "m", deploymentName="p")
    odd = policy("odd", "2026-01-01T00:00:00Z", "m", activeServiceName={"s": 1}, deploymentName="p")
    none = {"metadata": old["metadata"], "spec": None}
    new = policy("new", "2026-01-02T00:00:00Z", "m", deploymentName="p", activeServiceName="s")

    assert conflicting_policy_of(new, [old, odd, none, new]) is None


@pytest.mark.parametrize("mode", ["DryRun", "Suspend"])
def test_policy_that_only_watches_keeps_nobody_from_acting(mode: str) -> None:
    target = {"deploymentName": "p", "activeServiceName": "s"}
    watching = policy("a", "2026-01-01T00:00:00Z", "m", mode, **target)
    acting = policy("b", "2026-01-02T00:00:00Z", "m", **target)
    late = policy("c", "2026-01-03T00:00:00Z", "m", **target)
    policies = [late, watching, acting]

    assert [conflicting_policy_of(one, policies) for one in (watching, acting, late)] == [
        None,
        None,
        "b",
    ]
