"""What people ask a policy for by hand: requests, approval, freeze windows, forced traffic."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.simulator.clock import DAY, HOUR, MINUTE, text_of
from support.simulator.invariants import ALWAYS
from support.simulator.policies import MAIN, MAX_RUNS
from support.simulator.train_job import Outcome
from support.simulator.world import BREACHED, HEALTHY, World

from taxi_domain.runs import RunResult

REQUIRED = {"approval": "Required", "champion": {"minLabelledRows": 1000}}


@pytest.fixture
def world() -> Iterator[World]:
    found = World(MAIN, pace=60.0)
    found.start()
    yield found
    for check in ALWAYS:
        check(found)
    found.close()


def begin(world: World, **spec: Any) -> None:
    world.add_policy(MAIN, **spec)
    world.run(MINUTE)


def run_of(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.status(MAIN.policy)["run"]
    return found


def events(world: World, reason: str) -> list[str]:
    return [
        one.facts["message"]
        for one in world.journal.of("event")
        if one.facts["reason"] == reason
    ]  # fmt: skip


def test_new_word_starts_one_run_although_nothing_is_breached(world: World) -> None:
    begin(world)
    world.request(MAIN.policy, "retrain")
    world.run(HOUR)

    assert run_of(world)["state"] == "Promoted"
    assert world.status(MAIN.policy)["decision"]["because"] == ["retrainRequest"]
    world.kill()
    world.run(DAY)
    assert len(world.journal.of("job")) == 1


def test_word_that_was_there_before_the_first_look_asks_for_nothing(world: World) -> None:
    begin(world, retrainRequest="old")
    world.run(HOUR)
    assert world.journal.of("job") == []

    world.request(MAIN.policy, "retrain")
    world.run(HOUR)
    assert len(world.journal.of("job")) == 1

    world.write_status(MAIN.policy, None)
    world.run(HOUR)
    assert len(world.journal.of("job")) == 1


def test_request_waits_for_no_pause_and_does_not_pass_the_limit(world: World) -> None:
    world.train(MAIN, Outcome(result=RunResult.NOT_BETTER))
    begin(world)
    for _ in range(MAX_RUNS + 2):
        world.request(MAIN.policy, "retrain")
        world.run(5 * MINUTE)

    assert len(world.journal.of("job")) == MAX_RUNS
    budget = world.status(MAIN.policy)["budget"]
    first = world.journal.of("decision")[0]
    assert budget["nextEligibleAt"] == text_of(first.api + DAY)


def test_aborted_run_ends_its_job_and_the_next_one_waits_for_the_pause(world: World) -> None:
    world.train(MAIN, Outcome(seconds=500.0))
    begin(world)
    world.signal(MAIN.drift, BREACHED)
    world.run(4 * MINUTE)
    assert run_of(world)["state"] == "Running"

    word = world.request(MAIN.policy, "abort")
    world.run(MINUTE)

    assert run_of(world)["state"] == "Abandoned"
    assert word in run_of(world)["message"]
    assert len(world.journal.of("job ended by hand")) == 1
    (entry,) = world.status(MAIN.policy)["history"]
    assert entry["outcome"] == "Abandoned"
    assert world.status(MAIN.policy)["requests"]["abort"] == word
    world.run(MINUTE)
    assert len(world.journal.of("job")) == 1
    world.run(3 * MINUTE)
    assert len(world.journal.of("job")) == 2


def test_abort_without_a_run_is_refused_and_hits_no_later_one(world: World) -> None:
    begin(world)
    world.request(MAIN.policy, "abort")
    world.run(MINUTE)
    assert events(world, "AbortRefused") == ["no run is open"]

    world.request(MAIN.policy, "retrain")
    world.run(HOUR)
    assert run_of(world)["state"] == "Promoted"


def test_better_candidate_waits_for_its_own_approval(world: World) -> None:
    begin(world, gate=REQUIRED)
    world.signal(MAIN.drift, BREACHED)
    world.run(HOUR)
    assert run_of(world)["state"] == "AwaitingApproval"
    assert world.status(MAIN.policy)["candidate"]["version"] == "candidate-1"
    assert len(events(world, "ApprovalNeeded")) == 1

    world.edit(MAIN.policy, approvedCandidate="candidate-7")
    world.edit(MAIN.policy, gate={"champion": {"minLabelledRows": 1000}})  # is for the next run
    world.kill()
    world.run(HOUR)
    assert run_of(world)["state"] == "AwaitingApproval"
    assert world.journal.of("alias") == []

    world.edit(MAIN.policy, approvedCandidate="candidate-1")
    world.signal(MAIN.drift, HEALTHY)
    world.run(10 * MINUTE)
    assert run_of(world)["state"] == "Promoted"
    assert len(world.journal.of("job")) == 1
    (entry,) = world.status(MAIN.policy)["history"]
    assert (entry["outcome"], entry["candidate"]) == ("Promoted", "candidate-1")


def test_approval_that_a_run_began_with_is_not_edited_away_with_its_status(world: World) -> None:
    world.train(MAIN, Outcome(seconds=300.0))
    begin(world, gate={**REQUIRED, "maxVerdictAge": "5h"})
    world.request(MAIN.policy, "retrain")
    world.run(4 * MINUTE)
    assert run_of(world)["state"] == "Running"

    world.edit(MAIN.policy, gate={"champion": {"minLabelledRows": 1000}})
    world.write_status(MAIN.policy, None)
    world.run(HOUR)

    assert run_of(world)["state"] == "AwaitingApproval"
    assert run_of(world)["gate"]["maxVerdictAgeSeconds"] == 5 * HOUR
    assert world.journal.of("alias") == []
    world.edit(MAIN.policy, approvedCandidate="candidate-1")
    world.run(10 * MINUTE)
    assert run_of(world)["state"] == "Promoted"


def test_verdict_that_nobody_approves_expires(world: World) -> None:
    begin(world, gate={**REQUIRED, "maxVerdictAge": "2h"})
    world.request(MAIN.policy, "retrain")
    world.run(HOUR)
    assert run_of(world)["state"] == "AwaitingApproval"

    world.run(2 * HOUR)

    assert run_of(world)["state"] == "Failed"
    world.edit(MAIN.policy, approvedCandidate="candidate-1")
    world.run(HOUR)
    assert world.journal.of("alias") == []


def test_nothing_is_promoted_in_a_freeze_window_and_the_traffic_moves(world: World) -> None:
    begin(world)
    end = world.clock.api + 3 * HOUR
    window = {"start": text_of(world.clock.api), "end": text_of(end)}
    world.edit(MAIN.policy, freezeWindows=[window])
    world.request(MAIN.policy, "retrain")
    world.run(HOUR)
    assert run_of(world)["state"] == "Frozen"
    assert text_of(end) in run_of(world)["message"]

    world.workloads.break_pods(MAIN.champion)
    world.run(3 * MINUTE)
    assert world.selected(MAIN) == MAIN.fallback
    world.workloads.break_pods(MAIN.champion, broken=False)
    world.run(HOUR)
    assert world.journal.of("alias") == []

    world.run(HOUR)
    assert run_of(world)["state"] == "Promoted"


def test_forced_traffic_moves_at_once_and_returns_when_its_time_is_over(world: World) -> None:
    begin(world)
    world.force(MAIN.policy, "Fallback", HOUR)
    world.run(90.0)
    assert world.selected(MAIN) == MAIN.fallback
    status = world.status(MAIN.policy)
    assert status["traffic"]["reason"] == "Forced"
    assert status["decision"]["message"] == "a trial"

    world.kill()
    world.run(HOUR - 2 * MINUTE)
    assert world.selected(MAIN) == MAIN.fallback
    world.run(3 * MINUTE)
    assert world.selected(MAIN) == MAIN.champion
    world.run(HOUR)
    assert len(world.journal.of("move")) == 2
    assert [one["outcome"] for one in world.status(MAIN.policy)["history"]] == ["Switched"] * 2


def test_traffic_forced_to_the_champion_stays_through_a_breach(world: World) -> None:
    begin(world)
    world.signal(MAIN.error, BREACHED)
    world.run(10 * MINUTE)
    assert world.selected(MAIN) == MAIN.fallback

    world.force(MAIN.policy, "Champion", HOUR)
    world.run(2 * MINUTE)
    assert world.selected(MAIN) == MAIN.champion
    world.run(50 * MINUTE)
    assert world.selected(MAIN) == MAIN.champion

    world.run(20 * MINUTE)
    assert world.selected(MAIN) == MAIN.fallback


def test_force_that_ends_too_far_ahead_is_told_and_not_followed(world: World) -> None:
    begin(world)
    world.force(MAIN.policy, "Fallback", 31 * DAY)
    world.run(5 * MINUTE)

    assert world.selected(MAIN) == MAIN.champion
    ready = world.status(MAIN.policy)["conditions"][0]
    assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")
    assert "spec.forceTraffic.until" in ready["message"]
    world.signal(MAIN.error, BREACHED)
    world.run(10 * MINUTE)
    assert world.selected(MAIN) == MAIN.fallback, "the rest of the policy is served"
    world.signal(MAIN.error, HEALTHY)
    world.run(HOUR)

    world.force(MAIN.policy, "Fallback", 30 * DAY - MINUTE)
    world.run(5 * MINUTE)
    assert world.selected(MAIN) == MAIN.fallback
    assert world.status(MAIN.policy)["conditions"][0]["status"] == "True"
    world.edit(MAIN.policy, forceTraffic=None)
    world.run(HOUR)


def test_champion_that_is_unavailable_is_left_also_when_it_is_forced(world: World) -> None:
    begin(world)
    world.force(MAIN.policy, "Champion", HOUR)
    world.run(MINUTE)
    world.workloads.break_pods(MAIN.champion)
    world.run(3 * MINUTE)
    assert world.selected(MAIN) == MAIN.fallback

    world.workloads.break_pods(MAIN.champion, broken=False)
    world.run(2 * MINUTE)
    assert world.selected(MAIN) == MAIN.champion


def test_traffic_is_not_forced_onto_a_fallback_without_pods(world: World) -> None:
    world.workloads.break_pods(MAIN.fallback)
    world.run(MINUTE)
    begin(world)
    world.force(MAIN.policy, "Fallback", HOUR)
    world.run(10 * MINUTE)

    assert world.selected(MAIN) == MAIN.champion
    conditions = {one["type"]: one["reason"] for one in world.status(MAIN.policy)["conditions"]}
    assert conditions["FallbackActive"] == "FallbackNotReady"


def test_dry_run_tells_what_would_be_done_by_hand_and_does_nothing(world: World) -> None:
    begin(world, mode="DryRun")
    world.force(MAIN.policy, "Fallback", HOUR)
    world.run(2 * MINUTE)
    world.request(MAIN.policy, "retrain")
    world.run(10 * MINUTE)

    assert world.actions() == []
    told = world.status(MAIN.policy)["dryRun"]["history"]
    assert [one["because"] for one in told] == [["retrainRequest"], ["forceTraffic"]]


def test_word_that_acted_does_not_act_again_when_it_is_put_back(world: World) -> None:
    world.train(MAIN, Outcome(result=RunResult.NOT_BETTER))
    begin(world)
    first = world.request(MAIN.policy, "retrain")
    world.run(10 * MINUTE)
    world.request(MAIN.policy, "retrain")
    world.run(10 * MINUTE)
    assert len(world.journal.of("job")) == 2

    world.edit(MAIN.policy, retrainRequest=first)
    world.run(HOUR)

    assert len(world.journal.of("job")) == 2


def test_word_of_a_policy_that_is_not_served_does_not_act_later(world: World) -> None:
    begin(world)
    world.add_policy(MAIN, "rival")
    world.run(MINUTE)
    world.objects.find("policies", "rival")["spec"]["abortRequest"] = "late"  # type: ignore[index]
    world.objects.touch(world.policy("rival"), spec=True)
    world.run(MINUTE)
    assert world.status("rival")["requests"]["abort"] == "late"

    world.delete_policy(MAIN.policy)
    world.train(MAIN, Outcome(seconds=300.0))
    world.request("rival", "retrain")
    world.run(5 * MINUTE)

    assert world.status("rival")["run"]["state"] == "Running"


def test_job_of_somebody_else_is_not_ended(world: World) -> None:
    world.train(MAIN, Outcome(seconds=500.0))
    begin(world)
    world.request(MAIN.policy, "retrain")
    world.run(3 * MINUTE)
    (job,) = world.objects.all("jobs")
    job["metadata"]["ownerReferences"][0]["uid"] = "somebody-else"

    world.request(MAIN.policy, "abort")
    world.run(MINUTE)

    assert run_of(world)["state"] == "Abandoned"
    assert world.journal.of("job ended by hand") == []
