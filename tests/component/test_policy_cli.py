"""`taxi-policy` with a real API server, operator and Prometheus, and the operator's own rights."""

import json
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.operator_process import eventually
from support.policy_namespace import FALLBACK, PolicyNamespace

from taxi_domain.runs import RunResult

pytestmark = pytest.mark.component
#: Seconds from a value to what is done: a scrape, the `for` of the test, and a look.
SOONEST = 1 + 4 + 2


def tool(world: PolicyNamespace, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as in the operator's pod."""
    return subprocess.run(
        [sys.executable, "-m", "taxi_operator.cli.main", *arguments],
        env={
            "PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path), "LOGNAME": "ada",
            **world.variables(),
        },
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def done(world: PolicyNamespace, *arguments: str) -> str:
    """Run the command line; it has to succeed."""
    found = tool(world, *arguments)
    assert found.returncode == 0, found.stderr
    return found.stdout


def explained(world: PolicyNamespace) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(done(world, "explain", "p", "-o", "json"))
    return told


def run_state(world: PolicyNamespace) -> str:
    state: str = (world.status().get("run") or {}).get("state", "")
    return state


def test_verbs_ask_the_operator_and_explain_tells_what_it_does(world: PolicyNamespace) -> None:
    world.operator()
    world.apply_policy(gate={"approval": "Required"})
    eventually("it is looked at", lambda: "requests" in world.status())

    assert "spec.retrainRequest is 2" in done(world, "retrain", "p", "--wait")
    assert world.status()["requests"]["retrain"].endswith("-ada")
    eventually("the Job is there", world.jobs)
    told = explained(world)
    assert told["notKnown"] == []
    assert "the verdict of Job" in told["run"]["waitsFor"]
    assert told["retrain"]["runsWithin24h"] == 1

    (job,) = world.jobs()
    candidate = world.version("better")
    world.write_report(job, RunResult.BETTER, candidate)
    world.end_job(job, "SuccessCriteriaMet", "Complete")
    eventually("it waits", lambda: run_state(world) == "AwaitingApproval")
    refused = tool(world, "approve", "p", "ffffffffffff")
    assert refused.returncode == 1
    assert f"{candidate} waits for approval, and not" in refused.stderr
    assert f"spec.approvedCandidate is {candidate}" in done(world, "approve", "p", "--wait")
    eventually("it is promoted", lambda: world.alias() == candidate)

    eventually("the rollout ended", lambda: run_state(world) == "Promoted")
    assert "decision" in done(world, "rollback", "p", "--wait")
    eventually("the champion is back", lambda: world.alias() == world.champion)
    eventually("the rollback ended", lambda: run_state(world) == "RolledBack")

    forced = done(world, "force", "p", "--to", "Fallback", "--reason", "a trial", "--wait")
    assert "it was taken up: Fallback answers" in forced
    assert world.selects() == FALLBACK
    assert world.status()["decision"]["message"] == "a trial (ada)"
    assert "is gone" in done(world, "unforce", "p", "--wait")
    policy = world.policy()
    assert policy is not None
    assert "forceTraffic" not in policy["spec"]


def test_replay_of_what_the_operator_did_decides_the_same_at_the_same_time(
    world: PolicyNamespace, tmp_path: Path
) -> None:
    world.operator()
    lasting = {"op": "GreaterOrEqual", "value": "1", "for": "4s"}
    world.apply_policy(signals=[world.signal("drift"), world.signal("error", enter=lasting)])
    eventually("signals are seen", lambda: len(world.status().get("signals") or []) == 2)
    said = time.time()
    world.say(error=2)
    eventually("the fallback serves", lambda: world.selects() == FALLBACK)
    at = datetime.fromisoformat(world.status()["decision"]["at"]).timestamp()
    path = tmp_path / "p.json"
    path.write_text(json.dumps(world.policy()))

    found = json.loads(done(world, "replay", str(path), "--from", "3m", "-o", "json"))

    (decision,) = (one for one in found["entries"] if one.get("decision"))
    assert (decision["what"], decision["because"]) == ("Fallback", ["error"])
    # Looks are 2 s apart on both sides, and a look takes its time; what is replayed is never late.
    late = max(at - said - SOONEST, 0)
    assert -5 - late <= datetime.fromisoformat(decision["at"]).timestamp() - at <= 5
    assert found["summary"]["movesToFallback"] == 1

    compared = done(world, "compare", str(path), str(path), "--from", "3m", "--step", "2s")
    assert "harmedSeconds" in compared
