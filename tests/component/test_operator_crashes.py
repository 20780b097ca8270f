"""An operator that dies at any step, or is not alone, does nothing twice."""

import json
import platform
import random
import threading
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from support.operator_process import eventually
from support.policy_namespace import CHAMPION, FALLBACK, PolicyNamespace

from taxi_domain.kube import ATTEMPT_LABEL, DECISION_LABEL
from taxi_domain.mongodb import MODELS
from taxi_domain.runs import RunResult
from taxi_local.mongod import Mongod
from taxi_store.connection import connect

pytestmark = pytest.mark.component

KILLED = 137
DUPLICATES = "taxi_operator_duplicates_prevented_total"
ENDS_WELL = ("SuccessCriteriaMet", "Complete")
KILLS = 200
RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "soak_operator.json"


def run_state(world: PolicyNamespace) -> str:
    state: str = (world.status().get("run") or {}).get("state", "")
    return state


def actions(world: PolicyNamespace) -> list[str]:
    return [one["action"] for one in world.status().get("history", ())]


def refuse(world: PolicyNamespace, job: dict[str, Any]) -> None:
    world.write_report(job, RunResult.NOT_BETTER)
    world.end_job(job, *ENDS_WELL)


@pytest.mark.parametrize("fault", ["after-intent", "after-job"])
def test_death_around_the_job_makes_one_job(world: PolicyNamespace, fault: str) -> None:
    world.say(drift=2)
    world.apply_policy()
    assert world.operator(fault=fault).wait_for_death() == KILLED
    assert len(world.jobs()) == (fault == "after-job")

    operator = world.operator()
    (job,) = eventually("a Job", world.jobs)
    operator.reconcile()
    assert operator.metric(DUPLICATES) == (fault == "after-job")
    refuse(world, job)

    eventually("the story goes on", lambda: run_state(world) == "Refused")
    operator.reconcile()
    assert len(world.jobs()) == 1
    assert actions(world) == ["Retrain"]


def test_death_in_the_middle_of_a_job_is_not_noticed(world: PolicyNamespace) -> None:
    world.say(drift=2)
    world.apply_policy()
    first = world.operator()
    (job,) = eventually("a Job", world.jobs)
    first.kill()
    refuse(world, job)

    world.operator()

    eventually("the story goes on", lambda: run_state(world) == "Refused")
    assert len(world.jobs()) == 1


def test_death_after_the_alias_moved_goes_on_with_the_pods(world: PolicyNamespace) -> None:
    world.say(drift=2)
    world.apply_policy()
    first = world.operator(fault="after-alias")
    (job,) = eventually("a Job", world.jobs)
    candidate = world.version("better")
    world.write_report(job, RunResult.BETTER, candidate)
    assert first.wait_for_death() == KILLED
    assert (world.alias(), world.pods_have()) == (candidate, None)

    world.operator()

    eventually("the story goes on", lambda: run_state(world) == "Promoted")
    assert (world.alias(), world.pods_have()) == (candidate, candidate)
    assert len(world.jobs()) == 1


def test_death_after_the_alias_moved_to_what_is_gone_then_takes_it_back(
    world: PolicyNamespace, shared_mongod: Mongod
) -> None:
    world.say(drift=2)
    world.apply_policy()
    first = world.operator(fault="after-alias")
    (job,) = eventually("a Job", world.jobs)
    candidate = world.version("better")
    world.write_report(job, RunResult.BETTER, candidate)
    assert first.wait_for_death() == KILLED
    with connect(shared_mongod.uri, app_name="test") as client:
        client["taxi"][MODELS].delete_one({"_id": candidate})

    world.operator()

    eventually("the story goes on", lambda: run_state(world) == "Failed")
    assert (world.alias(), world.pods_have()) == (world.champion, world.champion)
    assert world.pods_have("taxi-monitoring.io/rolled-back") == job["metadata"]["name"]


def test_death_between_intent_and_selector_ends_in_a_swap(world: PolicyNamespace) -> None:
    world.say(error=2)
    world.apply_policy()
    assert world.operator(fault="after-intent").wait_for_death() == KILLED
    assert world.selects() != FALLBACK

    world.operator()

    eventually("the swap ends", lambda: "lastSwapSeconds" in world.status().get("traffic", {}))
    assert world.selects() == FALLBACK
    assert actions(world) == ["Fallback"]


def test_death_in_the_middle_of_a_swap_ends_in_a_swap(world: PolicyNamespace) -> None:
    first = world.operator()
    eventually("the champion is selected", lambda: world.selects() == CHAMPION)
    eventually("and gets the rides", lambda: world.api.list("EndpointSlice", world.namespace))
    world.controllers.follow(follow=False)
    world.say(error=2)
    world.apply_policy()
    eventually("the selector moves", lambda: world.selects() == FALLBACK)
    first.kill()
    assert "lastSwapSeconds" not in world.status()["traffic"]

    second = world.operator()
    world.controllers.follow(follow=True)

    eventually("the swap ends", lambda: "lastSwapSeconds" in world.status()["traffic"])
    second.reconcile()
    assert actions(world) == ["Fallback"]
    assert world.events().count("FallbackActivated") == 1


def test_two_operators_make_one_job(world: PolicyNamespace) -> None:
    both = [world.operator(), world.operator()]
    for one in both:
        eventually("it runs", one.is_well)
    world.say(drift=2)
    world.apply_policy()
    (job,) = eventually("a Job", world.jobs)
    for one in both:
        one.reconcile()
    assert len(world.jobs()) == 1
    refuse(world, job)

    eventually("the run ends", lambda: run_state(world) == "Refused")
    for one in both:
        one.reconcile()
    assert len(world.jobs()) == 1
    assert world.selects() == CHAMPION


def test_operator_that_stood_still_does_nothing_again(world: PolicyNamespace) -> None:
    """As that of a node that was suspended, or lost and not quite dead, beside its heir."""
    first = world.operator()
    world.say(drift=2)
    world.apply_policy()
    (job,) = eventually("a Job", world.jobs)
    first.hang()
    second = world.operator()
    refuse(world, job)
    eventually("the run ends", lambda: run_state(world) == "Refused")
    world.say(error=2)
    eventually("the fallback serves", lambda: "lastSwapSeconds" in world.status()["traffic"])

    first.wake()

    for one in (first, second):
        one.reconcile()
    assert len(world.jobs()) == 1
    assert actions(world) == ["Fallback", "Retrain"]
    assert world.selects() == FALLBACK
    assert world.events().count("FallbackActivated") == 1


class TrainJobs(threading.Thread):
    """Ends every Job at once with a refusal, so that the next decision comes soon."""

    def __init__(self, world: PolicyNamespace) -> None:
        super().__init__(daemon=True)
        self._world = world
        self.end = threading.Event()

    def run(self) -> None:
        while not self.end.wait(0.2):
            for job in self._world.jobs():
                if not (job.get("status") or {}).get("conditions"):
                    refuse(self._world, job)


@pytest.mark.soak
@pytest.mark.timeout(5400)
def test_soak_operator(world: PolicyNamespace) -> None:
    world.say(drift=2)
    retrain = {
        "jobFrom": {"cronJobName": "taxi-train"}, "attempts": {"max": 1},
        "pauseAfter": {"success": "0s", "failure": "0s"}, "maxPerDay": 400,
    }  # fmt: skip
    world.apply_policy(retrain=retrain)
    jobs, seed = TrainJobs(world), 7
    jobs.start()
    moments = random.Random(seed)
    for _ in range(KILLS):
        one = world.operator()
        eventually("it runs", one.is_well)
        time.sleep(moments.uniform(0, 3))  # the moment of the kill is what varies
        one.kill()
    world.operator()
    world.say(drift=0)
    eventually(
        "the last run ends",
        lambda: not world.status()["signals"][0]["breached"] and run_state(world) == "Refused",
    )
    jobs.end.set()
    jobs.join()
    made = Counter(
        (one["metadata"]["labels"][DECISION_LABEL], one["metadata"]["labels"][ATTEMPT_LABEL])
        for one in world.jobs()
    )
    figures = {
        "kills": KILLS, "seed": seed, "decisions": world.status()["decision"]["number"],
        "jobs": made.total(), "duplicate_jobs": made.total() - len(made),
    }  # fmt: skip
    assert figures["duplicate_jobs"] == 0
    assert figures["decisions"] == figures["jobs"] > 0
    RESULT.write_text(
        json.dumps(
            {"figures": figures, "command": "make soak-operator",
             "versions": {"python": platform.python_version(), "kopf": version("kopf")}},
            indent=1,
        ) + "\n"
    )  # fmt: skip
