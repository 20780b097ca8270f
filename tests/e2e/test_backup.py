"""A backup outlives its release: restored in another namespace it serves the same champion."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from support.cluster_faults import assert_all_logged, database_of
from support.cluster_load import send_rides, some_rides
from support.waiting import wait_for

from taxi_domain.models import MODEL_NAME, Alias
from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_store.registry.registry import Registry
from taxi_stories.jobs import job_of, wait_for_job
from taxi_stories.kubectl import Kubectl
from taxi_stories.release import Release
from taxi_train.artifact.onnx_model import schema_of
from taxi_train.runs.run import Run
from taxi_train.runs.unseen import unseen_rows

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2400)]

RIDES = 600
CLAIM = "backups"
SMALL: dict[str, Any] = {
    "operator": {"enabled": False},
    "predictor": {"replicas": 1},
    "fallback": {"replicas": 0},
    "tests": {"enabled": False},
    "mongodb": {"persistence": {"enabled": False, "size": "1Gi"}},
    "backup": {
        "enabled": True,
        "schedule": "0 0 1 1 *",
        "volumeClaim": {"name": CLAIM, "path": "taxi"},
    },
    "dataTool": {"enabled": True},
}


@pytest.fixture
def claimed(context: str) -> Iterator[Kubectl]:
    """Return where the backed up release will be, with the claim of its backups."""
    kubectl = Kubectl(context, "taxi-backup")
    yield from _with_claim(kubectl, {})


def _with_claim(kubectl: Kubectl, volume: dict[str, Any]) -> Iterator[Kubectl]:
    Release(kubectl).uninstall()  # what a run that was cut off left
    kubectl("create", "namespace", kubectl.namespace)
    try:
        kubectl.apply({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM},
            "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
                **volume,
            },
        })  # fmt: skip
        yield kubectl
    finally:
        Release(kubectl).uninstall()


def reclaim(policy: str) -> str:
    """Return the patch that says what becomes of a volume without its claim."""
    return json.dumps({"spec": {"persistentVolumeReclaimPolicy": policy}})


def hand_over(source: Kubectl) -> dict[str, Any]:
    """Free the volume of the backups for a claim of another namespace, and tell what to claim."""
    claim = source.get("pvc", CLAIM)
    volume = claim["spec"]["volumeName"]
    source("patch", "pv", volume, "--patch", reclaim("Retain"))
    Release(source).uninstall()
    source("patch", "pv", volume, "--type=merge", "--patch", '{"spec": {"claimRef": null}}')
    return {"volumeName": volume, "storageClassName": claim["spec"]["storageClassName"]}


def run_job(kubectl: Kubectl, cron_job: str, arguments: list[str] | None = None) -> None:
    """Run what a CronJob of the release would, now, and wait for its end."""
    template = kubectl.get("cronjob", cron_job)
    pod = template["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    given = arguments or pod["containers"][0]["args"]
    name = f"now-{cron_job}"
    kubectl.apply(job_of(template, name, given))
    wait_for_job(kubectl, name)


def known(release: Release) -> tuple[str, int, int, int]:
    """Return the champion, how many rows and labels there are, and how many the gate counts."""
    with database_of(release) as database:
        registry = Registry(database)
        champion = registry.alias(MODEL_NAME, Alias.CHAMPION)
        assert champion is not None
        artifact = registry.load(champion.version)
        counted = unseen_rows(
            Run(database, MODEL_NAME, "none", lambda: datetime.now(UTC)), schema_of(artifact),
            [artifact], [], 100_000,
        )  # fmt: skip
        rows = [database[one].count_documents({}) for one in (PREDICTIONS, LABELS)]
        return champion.version, rows[0], rows[1], len(counted.rows)


def test_a_restore_into_an_empty_namespace_serves_the_same_champion_and_counts_the_same_rows(
    context: str, values: dict[str, Any], claimed: Kubectl
) -> None:
    begin = time.monotonic()
    source = Release(claimed)
    source.install({**values, **SMALL})
    rides = some_rides(RIDES)
    send_rides(source, rides)
    assert_all_logged(source, [str(one.body["ride_id"]) for one in rides])
    before = known(source)
    assert before[3] > 0
    run_job(claimed, "taxi-backup")

    for kubectl in _with_claim(Kubectl(context, "taxi-restored"), hand_over(claimed)):
        fresh = Release(kubectl)
        # Predictors wait for the restore, so only MongoDB is waited for.
        fresh.apply({**values, **SMALL, "firstModel": {"enabled": False}})
        kubectl("rollout", "status", "statefulset/taxi-mongodb", "--timeout=400s", timeout=420)
        why = ["--by", "e2e", "--reason", "another namespace"]
        run_job(kubectl, "taxi-data", ["restore", "/backups/taxi", *why])
        # From here on the volume goes with its claim again.
        volume = kubectl.get("pvc", CLAIM)["spec"]["volumeName"]
        kubectl("patch", "pv", volume, "--patch", reclaim("Delete"))
        fresh.wait()

        assert known(fresh) == before
        with fresh.predictor() as predictor:
            answer = wait_for(
                "an answer",
                lambda: httpx.post(f"{predictor.url()}/predict", json=rides[0].body, timeout=20),
            )
        assert answer.status_code == 200, answer.text
        assert answer.json()["model_version"] == before[0]
    print(f"backed up and restored in {time.monotonic() - begin:.0f} s")
