"""Verbs of `taxi-policy`: a patch of what was read, and nothing that is not meant."""

import asyncio
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from taxi_domain.errors import TaxiError
from taxi_operator.adapters.cluster import PolicyChangedError
from taxi_operator.cli.approve import candidate_that_waits
from taxi_operator.cli.asking import Pace, changed_policy, followed, user_of, word_of
from taxi_operator.cli.requests import consequences
from taxi_operator.spec.orders import MAX_REQUEST

Document = dict[str, Any]
NOW = 1_760_000_000.0


@dataclass
class Cluster:
    """One policy; others change it before so many of our patches."""

    policy_: Document | None
    conflicts: int = 0
    knows: tuple[str, ...] = ("retrainRequest", "forceTraffic", "approvedCandidate")
    patches: list[Mapping[str, Any]] = field(default_factory=list)

    def clock(self) -> float:
        return NOW

    async def policy(self, _name: str) -> Document | None:
        return copy.deepcopy(self.policy_)

    async def change_policy(self, policy: Document, spec: Mapping[str, Any]) -> Document:
        assert self.policy_ is not None
        if self.conflicts:
            self.conflicts -= 1
            self.policy_["metadata"]["resourceVersion"] += "0"
        if policy["metadata"]["resourceVersion"] != self.policy_["metadata"]["resourceVersion"]:
            raise PolicyChangedError("409")
        self.patches.append(spec)
        kept = {name: one for name, one in spec.items() if one is None or name in self.knows}
        merged = {**self.policy_["spec"], **kept}
        self.policy_["spec"] = {name: one for name, one in merged.items() if one is not None}
        return copy.deepcopy(self.policy_)


def policy(**status: Any) -> Document:
    return {
        "metadata": {"name": "p", "resourceVersion": "1", "generation": 1},
        "spec": {"mode": "Enforce"}, "status": status,
    }  # fmt: skip


QUICK = Pace(pause=0.0, look=0.0, longest=0.01)


def change(cluster: Cluster, **fields: Any) -> Document:
    return asyncio.run(
        changed_policy(cluster, "p", lambda _policy, _now: fields, QUICK)  # type: ignore[arg-type]
    )


def test_edit_of_somebody_else_is_read_before_the_next_try() -> None:
    cluster = Cluster(policy(), conflicts=3)

    found = change(cluster, retrainRequest="w")

    assert found["spec"] == {"mode": "Enforce", "retrainRequest": "w"}
    assert len(cluster.patches) == 1


def test_policy_that_changes_all_the_time_is_given_up() -> None:
    with pytest.raises(PolicyChangedError):
        change(Cluster(policy(), conflicts=100), retrainRequest="w")


def test_field_that_the_resource_does_not_know_is_told() -> None:
    with pytest.raises(TaxiError, match=r"spec\.newRequest: is not known .* upgrade the chart"):
        change(Cluster(policy()), newRequest="w")


def test_field_that_is_removed_needs_not_be_there() -> None:
    cluster = Cluster(policy())
    assert "forceTraffic" not in change(cluster, forceTraffic=None)["spec"]


def test_policy_that_is_not_there_is_told() -> None:
    with pytest.raises(TaxiError, match="no such policy"):
        change(Cluster(None), retrainRequest="w")


def test_wait_ends_with_what_the_policy_says() -> None:
    ready = {"type": "Ready", "status": "False", "reason": "InvalidSpec", "message": "why"}
    cluster = Cluster(policy(conditions=[ready]))

    def wait(taken_up: bool) -> Document:
        return asyncio.run(followed(cluster, "p", lambda _policy: taken_up, QUICK))  # type: ignore[arg-type]

    with pytest.raises(TaxiError, match=r"not taken up .* InvalidSpec why"):
        wait(False)
    found = wait(True)
    assert found["metadata"]["name"] == "p"


def test_word_is_new_each_time_and_fits_the_field() -> None:
    assert word_of("ada", NOW) != word_of("ada", NOW + 0.001)
    assert len(word_of("x" * 500, NOW)) == MAX_REQUEST
    assert user_of("a b\n") == "a-b-"


@pytest.mark.parametrize(
    ("run", "version", "problem"),
    [
        ({"state": "AwaitingApproval"}, "", ""),
        ({"state": "AwaitingApproval"}, "c2", ""),
        ({"state": "AwaitingApproval"}, "c1", "c2 waits for approval, and not c1"),
        ({"state": "Promoted"}, "", "no candidate waits for approval; the run: Promoted"),
        ({}, "c2", "there is none"),
    ],
)
def test_only_the_candidate_that_waits_is_approved(
    run: Document, version: str, problem: str
) -> None:
    found = policy(run=run, candidate={"version": "c2"})
    if problem:
        with pytest.raises(TaxiError, match=problem):
            candidate_that_waits("p", found, version)
    else:
        assert candidate_that_waits("p", found, version) == "c2"


def test_what_follows_depends_on_the_run() -> None:
    run = {"number": 3, "attempt": 1, "state": "Running", "jobName": "j",
           "startedAt": "2025-10-09T08:00:00Z"}  # fmt: skip
    promoting = {**run, "state": "Promoting", "candidate": "c", "champion": "b"}

    assert "a run starts" in consequences(policy(), "retrain")[0]
    assert "the next one follows it" in consequences(policy(run=run), "retrain")[0]
    assert "nothing to give up" in consequences(policy(), "abort")[0]
    assert "Job j ended" in consequences(policy(run=run), "abort")[0]
    assert "c is Promoting" in consequences(policy(run=promoting), "abort")[0]
    suspended = policy()
    suspended["spec"]["mode"] = "Suspend"
    assert consequences(suspended, "retrain") == ["spec.mode is Suspend: nothing is carried out"]
