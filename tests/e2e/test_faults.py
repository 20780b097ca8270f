"""Faults on the real cluster: nothing that was answered is missing, nothing is doubled."""

import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cluster_faults import (
    database_of,
    exhaust_memory,
    kill_container,
    out_of_memory_kills,
    restarts,
)
from waiting import wait_for

from taxi_domain.kube import GROUP, POLICY_LABEL, VERSION
from taxi_stories.release import CHART, Release
from taxi_stories.rides import TrueRide, read_rides
from taxi_stories.sender import Pace, Sender
from taxi_stories.story import SAMPLES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@contextmanager
def load(release: Release, rides: list[TrueRide], rate: float = 60) -> Iterator[Sender]:
    """Send rides one by one in the background; every ride is answered in the end."""
    failures: list[BaseException] = []
    with release.predictor() as predictor, release.monitor() as monitor:
        sender = Sender(
            rides, release.addresses(predictor, monitor), Pace(rate, 1, None, patience_seconds=120)
        )

        def run() -> None:
            try:
                sender.run()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield sender
        finally:
            thread.join(180)
        if failures:
            raise failures[0]
        assert not thread.is_alive()
        assert sender.progress.sent == len(rides)


def some_rides(count: int) -> list[TrueRide]:
    prefix = f"f{uuid.uuid4().hex[:8]}-"
    return read_rides(SAMPLES / "green-2021-02-head.parquet", prefix=prefix)[:count]


def assert_all_logged_once(release: Release, rides: list[TrueRide]) -> None:
    wanted = {str(ride.body["ride_id"]) for ride in rides}
    with database_of(release) as database:

        def missing() -> int:
            found = database["predictions"].find({"_id": {"$in": list(wanted)}}, {"_id": 1})
            return len(wanted - {one["_id"] for one in found})

        wait_for(f"{len(wanted)} rides in the log", lambda: missing() == 0, seconds=120)


def test_mongodb_away_for_30_s_under_load(breakable: Release) -> None:
    rides = some_rides(2400)
    with load(breakable, rides) as sender:
        wait_for("first rides", lambda: sender.progress.sent > 100)
        breakable.kubectl("scale", "statefulset/taxi-mongodb", "--replicas=0")
        breakable.kubectl("delete", "pod", "taxi-mongodb-0", "--force", "--grace-period=0")
        before = sender.progress.sent
        time.sleep(30)
        assert sender.progress.sent > before + 500, "rides are answered without MongoDB"
        breakable.kubectl("scale", "statefulset/taxi-mongodb", "--replicas=1")
        breakable.kubectl("rollout", "status", "statefulset/taxi-mongodb", "--timeout=120s",
                          timeout=130)  # fmt: skip

    assert_all_logged_once(breakable, rides)


def test_predictor_container_killed_under_load(breakable: Release) -> None:
    rides = some_rides(1500)
    with load(breakable, rides) as sender:
        wait_for("first rides", lambda: sender.progress.sent > 100)
        pod = kill_container(breakable, "predictor")
        wait_for("restart", lambda: restarts(breakable, pod) >= 1)

    assert_all_logged_once(breakable, rides)


def test_predictor_out_of_memory_under_load(breakable: Release) -> None:
    rides = some_rides(2400)
    with load(breakable, rides) as sender:
        wait_for("first rides", lambda: sender.progress.sent > 100)
        pods = exhaust_memory(breakable, "predictor")
        for pod in pods:
            assert out_of_memory_kills(breakable, pod), pod

    assert_all_logged_once(breakable, rides)


def test_monitor_killed_says_the_same_again(breakable: Release) -> None:
    def report() -> dict[str, Any]:
        with breakable.monitor() as monitor:
            try:
                found: dict[str, Any] = httpx.get(f"{monitor.url()}/v1/drift", timeout=10).json()
            except httpx.TransportError:
                return {}
        (champion,) = [one for one in found["versions"] if one["model_role"] == "champion"] or [{}]
        return {name: champion.get(name) for name in ("window", "features", "relative")}

    wait_for("verdict", lambda: report().get("relative"))
    time.sleep(10)  # rides of the test before may still be on their way
    before = report()
    pod = kill_container(breakable, "monitor")
    wait_for("restart", lambda: restarts(breakable, pod) >= 1)

    wait_for("a verdict again", lambda: report().get("relative"))
    time.sleep(10)
    assert report() == before


def policy(release: Release, level: str) -> dict[str, Any]:
    """Return a policy whose fallback rule is breached when `level` is below 1."""
    signal = {
        "name": "emergency",
        "promql": "vector(1)",
        "enter": {"op": "GreaterOrEqual", "value": level, "for": "0s"},
        "exit": {"op": "Less", "value": level, "for": "0s"},
    }
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "DriftPolicy",
        "metadata": {"name": "emergency", "namespace": release.kubectl.namespace},
        "spec": {
            "target": {"deploymentName": "taxi-predictor", "activeServiceName": "taxi-predict"},
            "prometheus": {"url": "http://prometheus-operated.monitoring:9090"},
            "evaluation": {"intervalSeconds": 2},
            "signals": [signal],
            "rules": {"fallback": {"anyOf": [{"allOf": ["emergency"]}]}},
            "fallback": {"deploymentName": "taxi-fallback", "minDwell": "1s"},
        },
    }


def component_of(release: Release) -> str:
    service = release.kubectl.get("service", "taxi-predict")
    return str((service["spec"].get("selector") or {}).get("app.kubernetes.io/component"))


def test_upgrades_while_the_fallback_serves_leave_the_traffic(
    breakable: Release, values: dict[str, Any], tmp_path: Path
) -> None:
    import json

    file = tmp_path / "values.json"
    file.write_text(json.dumps(values))

    def helm(binary: str, *words: str) -> str:
        done = subprocess.run(
            [binary, *words, "--kube-context", breakable.kubectl.context,
             "--namespace", breakable.kubectl.namespace],
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{binary} {words}: {done.stdout}{done.stderr}"
        return done.stdout

    def upgrade(binary: str, note: str) -> None:
        helm(
            binary, "upgrade", "taxi", str(CHART), "--values", str(file),
            "--set", f"monitor.podAnnotations.note={note}", "--set", "crds.install=false",
        )  # fmt: skip

    assert component_of(breakable) == "predictor"
    breakable.kubectl.apply(policy(breakable, "0.5"))
    wait_for("fallback", lambda: component_of(breakable) == "fallback")
    wait_for("status", lambda: _traffic(breakable) == "Fallback")
    with breakable.predictor() as predictor:
        found = httpx.get(f"{predictor.url()}/v1/model", timeout=10).json()
    assert found["model_role"] == "fallback"

    upgrade("helm", "four")
    assert component_of(breakable) == "fallback"
    helm("helm", "rollback", "taxi")
    assert component_of(breakable) == "fallback"
    # Helm 3 on the same release, as teams with both do.
    upgrade("helm3", "three")
    assert component_of(breakable) == "fallback"
    helm("helm3", "rollback", "taxi")
    assert component_of(breakable) == "fallback"

    breakable.kubectl("delete", "driftpolicy", "emergency", "--timeout=90s", timeout=100)
    wait_for("champion", lambda: component_of(breakable) == "predictor")


def _traffic(release: Release) -> str:
    found = release.kubectl.get("driftpolicy", "emergency")
    return str(found.get("status", {}).get("traffic", {}).get("active"))


def retraining(release: Release, name: str) -> dict[str, Any]:
    """Return a policy whose retrain rule is breached at once."""
    found = policy(release, "0.5")
    found["metadata"]["name"] = name
    found["spec"]["rules"] = {"retrain": {"anyOf": [{"allOf": ["emergency"]}]}}
    found["spec"]["retrain"] = {
        "jobFrom": {"cronJobName": "taxi-train"},
        "cooldown": {"afterSuccess": "1h", "afterFailure": "1h"},
    }
    del found["spec"]["fallback"]
    return found


@pytest.mark.parametrize(("point", "jobs_at_death"), [("after-intent", 0), ("after-job", 1)])
def test_operator_that_dies_makes_one_job_all_the_same(
    breakable: Release, values: dict[str, Any], point: str, jobs_at_death: int
) -> None:
    name = f"retrain-{point}"
    fault = [{"name": "TAXI_OPERATOR_FAULT", "value": point}]

    def jobs() -> list[str]:
        found = breakable.kubectl.get("jobs", "-l", f"{POLICY_LABEL}={name}")["items"]
        return [one["metadata"]["name"] for one in found]

    def status() -> dict[str, Any]:
        found: dict[str, Any] = breakable.kubectl.get("driftpolicy", name).get("status") or {}
        return found

    def deaths() -> int:
        selector = "app.kubernetes.io/component=operator"
        pods = breakable.kubectl.get("pods", "-l", selector)["items"]
        statuses = [one for pod in pods for one in pod["status"].get("containerStatuses") or []]
        return sum(int(one["restartCount"]) for one in statuses)

    breakable.install({**values, "operator": {"env": fault}})
    breakable.kubectl.apply(retraining(breakable, name))
    wait_for("death of the operator", lambda: deaths() >= 1)
    assert status()["decision"]["number"] == 1, "the intent was written first"
    assert len(jobs()) == jobs_at_death

    breakable.install(values)
    wait_for("end of the run", lambda: status().get("run", {}).get("endedAt"), seconds=150)
    assert len(jobs()) == 1
    assert status()["decision"]["number"] == 1
    breakable.kubectl("delete", "driftpolicy", name, "--timeout=60s", timeout=70)
