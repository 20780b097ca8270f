"""What the operator may not do: it says so, others are served, and it goes on when it may."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from support.control_plane import condition_of
from support.operator_process import eventually
from support.policy_namespace import CHAMPION, FALLBACK, PolicyNamespace

pytestmark = pytest.mark.component

GROUP = "admissionregistration.k8s.io"


def use_up_the_quota(world: PolicyNamespace) -> None:
    hard = {"count/jobs.batch": "0"}
    quota = {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
        "spec": {"hard": hard},
    }  # fmt: skip
    world.api.apply(quota, world.namespace)
    # Its controller would write this.
    status = {"status": {"hard": hard, "used": hard}}
    world.api.patch("ResourceQuota", world.namespace, "none", status, "/status")


@contextmanager
def jobs_not_admitted(world: PolicyNamespace) -> Iterator[None]:
    name = f"no-jobs-{world.namespace}"
    api, kind = f"{GROUP}/v1", "ValidatingAdmissionPolicy"
    jobs = {
        "apiGroups": ["batch"], "apiVersions": ["v1"], "resources": ["jobs"],
        "operations": ["CREATE"],
    }  # fmt: skip
    rule = {
        "failurePolicy": "Fail", "matchConstraints": {"resourceRules": [jobs]},
        "validations": [{"expression": "false", "message": "no Jobs on Fridays"}],
    }  # fmt: skip
    labels = {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}
    binding = {
        "policyName": name, "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": labels},
    }  # fmt: skip
    whole = {kind: rule, f"{kind}Binding": binding}
    for one, spec in whole.items():
        world.api.apply({"apiVersion": api, "kind": one, "metadata": {"name": name}, "spec": spec})
    try:
        yield
    finally:
        for one in whole:
            world.api.delete(one, "", name)


def ready(world: PolicyNamespace) -> tuple[str, str]:
    """Return reason and message of what keeps a policy from being served."""
    for one in world.status().get("conditions") or []:
        if one["type"] == "Ready":
            return one["reason"], one["message"]
    return "", ""


def test_job_that_is_denied_is_one_run_that_waits_and_says_why(world: PolicyNamespace) -> None:
    """By rights, by admission, by quota, one after the other."""
    operator = world.operator()
    use_up_the_quota(world)
    world.role(("jobs", "create"))
    with jobs_not_admitted(world):
        world.say(drift=2)
        world.apply_policy()
        eventually("rights are missing", lambda: ready(world)[0] == "Forbidden")
        assert "POST" in ready(world)[1]
        assert "/jobs" in ready(world)[1]

        # What needs no Job is done all the same.
        world.say(error=2)
        eventually("the fallback serves", lambda: world.selects() == FALLBACK)
        world.role()
        eventually("admission denies it", lambda: "no Jobs on Fridays" in ready(world)[1])
    eventually("quota is missing", lambda: ready(world)[0] == "QuotaExceeded")
    operator.reconcile()
    assert world.jobs() == []
    run = world.status()["run"]
    assert (run["state"], run["attempt"]) == ("Starting", 1)
    assert [one["action"] for one in world.status()["history"]] == ["Fallback", "Retrain"]
    assert world.status()["budget"]["runsInWindow"] == 1
    assert operator.is_well()

    world.api.delete("ResourceQuota", world.namespace, "none")
    eventually("the Job", world.jobs)
    eventually("it is served", lambda: ready(world)[0] == "PolicyAccepted")
    operator.reconcile()
    assert len(world.jobs()) == 1


def test_champion_is_left_also_when_no_status_can_be_written(world: PolicyNamespace) -> None:
    operator = world.operator()
    world.apply_policy(rules=None)
    world.add_service("kept")
    eventually("it is served", lambda: ready(world)[0] == "PolicyAccepted")
    world.role(("driftpolicies/status", "patch"))
    since = datetime.now(UTC) - timedelta(minutes=2)
    world.controllers.unavailable_since[CHAMPION] = since.isoformat(timespec="seconds")
    world.controllers.ready[CHAMPION] = 0

    eventually("the fallback serves", lambda: world.selects() == FALLBACK)
    assert operator.is_well()

    world.role()
    eventually(
        "it is known again",
        lambda: condition_of(world.policy(), "FallbackActive") == ("True", "ChampionUnavailable"),
    )
    assert world.selects() == FALLBACK
