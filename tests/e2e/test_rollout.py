"""Nobody notices that pods are replaced: restarts and promotions under load."""

import importlib.metadata
import json
import platform
import time
from pathlib import Path

import pytest
from cluster_faults import database_of
from cluster_load import Answers, load_in_cluster
from waiting import wait_for

from taxi_domain.kube import MODEL_VERSION_ANNOTATION
from taxi_stories.release import Release

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "soak_rollout.json"
RATE = 100.0
REPETITIONS = 20


def restart(release: Release, _number: int) -> None:
    """Replace all pods as `kubectl rollout restart` does."""
    release.kubectl("rollout", "restart", f"deployment/{release.name}-predictor")


def promote(release: Release, number: int) -> None:
    """Replace all pods as the operator does when it promotes."""
    annotations = {MODEL_VERSION_ANNOTATION: f"{number:012x}"}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    release.kubectl("patch", f"deployment/{release.name}-predictor", "-p", json.dumps(patch))


def roll_out(release: Release, repetitions: int) -> Answers:
    """Replace all pods again and again under load; return what the load saw."""
    with load_in_cluster(release, RATE) as answers:
        for number in range(repetitions):
            for act in (restart, promote):
                act(release, number)
                release.kubectl(
                    "rollout", "status", f"deployment/{release.name}-predictor", "--timeout=180s",
                    timeout=190,
                )  # fmt: skip
                time.sleep(6)  # the last old pod is still draining
    return answers


def missing(release: Release, answers: Answers) -> int:
    """Count answered rides that are not in the log in the end."""
    wanted = set(answers.ride_ids)
    with database_of(release) as database:

        def absent() -> int:
            found = database["predictions"].find({"_id": {"$in": list(wanted)}}, {"_id": 1})
            return len(wanted - {one["_id"] for one in found})

        wait_for("all rides in the log", lambda: absent() == 0, seconds=120)
        return absent()


def test_pods_are_replaced_without_a_failed_request(breakable: Release) -> None:
    answers = roll_out(breakable, 1)

    assert answers.failures == []
    assert len(answers.ride_ids) > 1000
    assert missing(breakable, answers) == 0


@pytest.mark.soak
def test_soak_rollout(breakable: Release) -> None:
    answers = roll_out(breakable, REPETITIONS)
    figures = {
        "repetitions": REPETITIONS, "rollouts": 2 * REPETITIONS, "rate": RATE,
        "answered": len(answers.ride_ids), "failed": len(answers.failures),
        "missing": missing(breakable, answers),
        "slowest_seconds": round(answers.slowest_seconds, 3),
    }  # fmt: skip
    RESULT.write_text(
        json.dumps(
            {"figures": figures, "command": "make soak-rollout",
             "versions": {"python": platform.python_version(),
                          "gunicorn": importlib.metadata.version("gunicorn")}},
            indent=1,
        ) + "\n"
    )  # fmt: skip

    assert answers.failures == []
