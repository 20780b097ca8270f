"""Nobody notices that pods are replaced: restarts and promotions under load."""

import importlib.metadata
import json
import platform
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.applied_render import apply_render, jobs_of, passwords_of, pod_annotations_of
from support.cluster_faults import assert_all_logged, database_of, leaving, wait_for_more
from support.cluster_load import Answers, load_in_cluster, send_rides, some_rides
from support.waiting import wait_for

from taxi_domain.kube import MODEL_VERSION_ANNOTATION
from taxi_domain.models import CARD_FILE, MODEL_NAME, Alias, ModelState
from taxi_domain.mongodb import PREDICTIONS
from taxi_store.registry.artifacts import artifact_of
from taxi_store.registry.registry import Registry
from taxi_stories.release import Release

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "soak_rollout.json"
RATE = 100.0
LAST = 100  # answers
REPETITIONS = 20
RIDES = 200


def restart(release: Release) -> None:
    """Replace all pods as `kubectl rollout restart` does."""
    release.kubectl("rollout", "restart", f"deployment/{release.name}-predictor")


def other_version(release: Release) -> str:
    """Register a copy of the champion whose card differs, so it is a version of its own."""
    with database_of(release) as database:
        registry = Registry(database)
        champion = registry.alias(MODEL_NAME, Alias.CHAMPION)
        assert champion is not None
        files = dict(registry.load(champion.version).files)
        files[CARD_FILE] = json.dumps({**json.loads(files[CARD_FILE]), "copy": True}).encode()
        return registry.add(
            artifact_of(files), model=MODEL_NAME, state=ModelState.ACCEPTED, now=datetime.now(UTC)
        )


def promote(release: Release, version: str) -> None:
    """Move the alias and replace all pods, as the operator does when it promotes."""
    with database_of(release) as database:
        registry = Registry(database)
        now = registry.alias(MODEL_NAME, Alias.CHAMPION)
        assert now is not None
        registry.move_alias(
            MODEL_NAME, Alias.CHAMPION, to=version, expected=now.version, by="test",
            now=datetime.now(UTC),
        )  # fmt: skip
    annotations = {MODEL_VERSION_ANNOTATION: version}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    release.kubectl("patch", f"deployment/{release.name}-predictor", "-p", json.dumps(patch))


def champion_of(release: Release) -> str:
    """Return the version that the alias points at."""
    with database_of(release) as database:
        found = Registry(database).alias(MODEL_NAME, Alias.CHAMPION)
    assert found is not None
    return found.version


def roll_out(release: Release, repetitions: int) -> Answers:
    """Restart and promote again and again under load; return what the load saw.

    Two versions take turns; in the end every answer carries the one promoted last.
    """
    versions = [other_version(release), champion_of(release)]
    with load_in_cluster(release, RATE) as answers:
        for number in range(repetitions):
            restart(release)
            settle(release)
            promote(release, versions[number % 2])
            settle(release)
    assert set(answers.versions) == set(versions)
    assert set(answers.versions[-LAST:]) == {champion_of(release)}
    return answers


def settle(release: Release) -> None:
    """Wait until the new pods serve and the last old one has drained."""
    release.kubectl(
        "rollout", "status", f"deployment/{release.name}-predictor", "--timeout=600s", timeout=620
    )
    # The rollout is complete while old pods still answer on the connections they have.
    wait_for("the old pods' end", lambda: not leaving(release, "predictor"), seconds=300)
    # Some were answered before that, and wait in the spools of the new ones.
    wait_for_more(release, 3 * LAST)


def test_pods_are_replaced_without_a_failed_request(breakable: Release) -> None:
    answers = roll_out(breakable, 1)

    assert answers.failures == []
    assert len(answers.ride_ids) > 5 * LAST
    assert_all_logged(breakable, answers.ride_ids)


def log_rides(release: Release) -> int:
    """Send rides, wait until the log has them, and return how many rows it has then."""
    rides = some_rides(RIDES)
    send_rides(release, rides)
    assert_all_logged(release, [str(ride.body["ride_id"]) for ride in rides])
    with database_of(release) as database:
        return database[PREDICTIONS].count_documents({})


def test_a_render_that_is_applied_again_rolls_all_parts_which_keep_what_they_have(
    breakable: Release,
) -> None:
    """As GitOps tools do it: no part is locked out by another password, no Job is in the way."""
    rows, passwords, jobs = log_rides(breakable), passwords_of(breakable), jobs_of(breakable)
    assert len(passwords) > 4

    apply_render(breakable, {})
    apply_render(breakable, {"note": "new"})
    breakable.wait()
    for part in ("predictor", "monitor"):  # a forwarded port leads to no pod that is going then
        wait_for("the old pods' end", lambda part=part: not leaving(breakable, part))

    parts = ("predictor", "fallback", "monitor", "operator", "mongodb")
    assert pod_annotations_of(breakable, "note") == dict.fromkeys(parts, "new")
    assert passwords_of(breakable) == passwords
    # A Job that is there cannot be changed: those of other pods are new ones.
    made = {name.rpartition("-")[0] for name in jobs_of(breakable) - jobs}
    assert made >= {"taxi-secrets", "taxi-first-model"}
    assert log_rides(breakable) == rows + RIDES


@pytest.mark.soak
def test_soak_rollout(breakable: Release) -> None:
    answers = roll_out(breakable, REPETITIONS)
    assert_all_logged(breakable, answers.ride_ids)
    figures = {
        "repetitions": REPETITIONS, "rollouts": 2 * REPETITIONS, "rate": RATE,
        "answered": len(answers.ride_ids), "failed": answers.failed,
        "missing": 0,  # the log has all
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
