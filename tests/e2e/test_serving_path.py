"""Install, ride, log, metric: what `make up` leaves is a serving system that is watched."""

import subprocess
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.cluster_faults import assert_all_logged, database_of
from support.waiting import wait_for

from taxi_stories.prometheus import Prometheus
from taxi_stories.release import Release

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]
PLAIN = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}


def test_ride_is_answered_logged_and_seen_by_prometheus(
    installed: Release, prometheus: Prometheus
) -> None:
    ride_id = f"e2e-{uuid.uuid4().hex}"
    with installed.predictor() as predictor:
        # The same ride again changes nothing.
        answer = wait_for(
            "an answer",
            lambda: httpx.post(
                f"{predictor.url()}/predict", json={**PLAIN, "ride_id": ride_id}, timeout=20
            ),
        )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["ride_id"] == ride_id
    assert 1 < body["duration"] < 60

    assert_all_logged(installed, [ride_id])
    with database_of(installed) as database:
        record = database["predictions"].find_one({"_id": ride_id})
    assert record is not None
    assert record["model_version"] == body["model_version"]
    assert record["prediction"] == body["duration"]

    counted = 'sum(taxi_predictor_predictions_total{namespace="taxi",model_role="champion"})'
    wait_for("metric", lambda: (prometheus.value(counted) or 0) >= 1, seconds=300)
    window = 'max(taxi_monitor_window_rows{namespace="taxi",model_role="champion"})'
    wait_for("window", lambda: (prometheus.value(window) or 0) >= 1, seconds=300)


def test_every_part_is_scraped_by_the_stack_s_label(
    installed: Release, prometheus: Prometheus
) -> None:
    def missing() -> set[str]:
        up = {
            target["labels"].get("pod", "").rsplit("-", 2)[0]
            for target in prometheus.targets()
            if target["labels"].get("namespace") == "taxi" and target["health"] == "up"
        }
        return {f"taxi-{part}" for part in ("predictor", "fallback", "monitor", "operator")} - up

    wait_for("targets", lambda: not missing(), seconds=300)
    rules: Any = installed.kubectl.get("prometheusrules")["items"]
    assert rules


def test_helm_test_passes(installed: Release, context: str) -> None:
    done = subprocess.run(
        ["helm", "test", "taxi", "--kube-context", context, "--namespace", "taxi",
         "--timeout", "300s", "--logs"],
        capture_output=True, text=True, timeout=330, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


def test_pods_have_no_more_rights_than_they_need(installed: Release) -> None:
    pods: Any = installed.kubectl.get("pods", "-l", "app.kubernetes.io/instance=taxi")["items"]

    assert len(pods) >= 5
    for pod in pods:
        name = pod["metadata"]["name"]
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        tokens = [
            volume
            for volume in pod["spec"].get("volumes", [])
            for source in (volume.get("projected") or {}).get("sources", [])
            if "serviceAccountToken" in source
        ]
        assert bool(tokens) == (component in {"operator", "secrets", "test"}), name
        for container in pod["spec"]["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["capabilities"]["drop"] == ["ALL"], name
            assert context["allowPrivilegeEscalation"] is False, name


def test_traffic_command_ends_with_codes(installed: Release, tmp_path: Path) -> None:
    import sys

    from taxi_stories.story import SAMPLES

    def traffic(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "taxi_stories.main", "traffic", *words,
             "--context", installed.kubectl.context],
            capture_output=True, text=True, timeout=220, check=False,
            env={"PYTHONPATH": ":".join(sys.path), **_path()},
        )  # fmt: skip

    prefix = f"t{uuid.uuid4().hex[:6]}-"
    done = traffic(
        str(SAMPLES / "green-2021-02-head.parquet"), "--limit", "40", "--rate", "100",
        "--batch-size", "10", "--label-delay", "0.5", "--prefix", prefix,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "40 rides sent, 0 refused, 40 labels delivered" in done.stdout
    kept = str(tmp_path / "no" / "such" / "progress.json")
    refused = traffic(str(SAMPLES / "green-2021-02-head.parquet"), "--progress-file", kept)
    assert refused.returncode == 1
    assert "in a folder that exists" in " ".join(refused.stderr.split())
    pq.write_table(impossible_rides(), tmp_path / "impossible.parquet")
    refused = traffic(str(tmp_path / "impossible.parquet"), "--label-delay", "-1")
    assert refused.returncode == 1
    assert "3 rides sent, 3 refused" in refused.stdout
    assert traffic("nothing.parquet").returncode == 1
    assert traffic("x.parquet", "--rate", "-1").returncode == 2


def impossible_rides() -> pa.Table:
    """Return rides that are longer than any."""
    begin = datetime(2021, 2, 1, 8)  # noqa: DTZ001 - local time
    row = {
        "lpep_pickup_datetime": begin, "lpep_dropoff_datetime": begin + timedelta(minutes=9),
        "PULocationID": 130, "DOLocationID": 205, "trip_distance": 5000.0,
    }  # fmt: skip
    return pa.Table.from_pylist([row] * 3)


def _path() -> dict[str, str]:
    import os

    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
