"""Faults on the real cluster: nothing that was answered is missing, nothing is doubled."""

import importlib.metadata
import json
import platform
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.cluster_faults import (
    assert_all_logged,
    exhaust_memory,
    kill_containers,
    out_of_memory_kills,
    restarts_of,
    started_again,
    wait_for_more,
)
from support.cluster_load import Answers, load_in_cluster
from support.cluster_policies import (
    ALWAYS,
    delete_policy,
    falling_back,
    retraining,
    status_of,
    traffic_of,
)
from support.waiting import wait_for

from taxi_domain.kube import POLICY_LABEL
from taxi_stories.forwards import patient_get
from taxi_stories.release import CHART, Release

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "soak_faults.json"
RATE = 60.0
#: A second of it.
RIDES = 60
#: What takes seconds may take minutes on a busy machine.
PATIENCE = 300
REPETITIONS = 5
_MAX_BACKOFF = 330


def mongodb_away(release: Release) -> Answers:
    """Take MongoDB away for 30 s under load."""
    with load_in_cluster(release, RATE) as answers:
        wait_for_more(release, RIDES)
        release.kubectl("scale", "statefulset/taxi-mongodb", "--replicas=0")
        # Its controller deletes it too and may be first.
        release.kubectl("delete", "pod", "taxi-mongodb-0", "--force", "--grace-period=0",
                        "--ignore-not-found")  # fmt: skip
        time.sleep(30)
        release.kubectl("scale", "statefulset/taxi-mongodb", "--replicas=1")
        release.kubectl("rollout", "status", "statefulset/taxi-mongodb", "--timeout=400s",
                        timeout=420)  # fmt: skip
    assert answers.failures == [], "rides are answered without MongoDB"
    assert len(answers.ride_ids) > 10 * RATE, "there was load while it was away"
    assert_all_logged(release, answers.ride_ids)
    return answers


def predictors_killed(release: Release) -> Answers:
    """Kill every predictor's container under load: who was not answered may ask again."""
    with load_in_cluster(release, RATE) as answers:
        wait_for_more(release, RIDES)
        before = kill_containers(release, "predictor")
        wait_for("restarts", lambda: started_again(release, before), seconds=_MAX_BACKOFF)
        release.kubectl("rollout", "status", "deployment/taxi-predictor", "--timeout=300s",
                        timeout=320)  # fmt: skip
        # The successors are under load too; a second of it may have waited in the spool.
        wait_for_more(release, 3 * RIDES)
    assert len(answers.ride_ids) > 3 * RIDES
    assert_all_logged(release, answers.ride_ids)
    return answers


def monitor_killed(release: Release) -> None:
    """Kill the monitor: it says the same afterwards."""

    def champion() -> dict[str, Any]:
        with release.monitor() as monitor:
            found: dict[str, Any] = patient_get(monitor, "/v1/drift", timeout_seconds=20).json()
        return next((one for one in found["versions"] if one["model_role"] == "champion"), {})

    def report() -> dict[str, Any]:
        found = champion()
        return {name: found.get(name) for name in ("window", "features", "score_ratio")}

    evaluated: set[str | None] = set()

    def evaluated_twice_more() -> bool:
        evaluated.add(champion().get("evaluated_at"))
        return len(evaluated - {None}) > 2

    with load_in_cluster(release, 200) as answers:
        # More than an evaluation needs, whatever was there before.
        wait_for_more(release, 600)
    assert_all_logged(release, answers.ride_ids)
    # The first may belong to a round that read the log before the last rides were in it.
    wait_for("two evaluations", evaluated_twice_more, seconds=PATIENCE)
    before = wait_for("a report", report)
    assert before["score_ratio"], before
    killed = kill_containers(release, "monitor")
    # Repeated, the kubelet waits longer each time before it starts a container again.
    wait_for("restart", lambda: started_again(release, killed), seconds=_MAX_BACKOFF)

    wait_for(f"the same numbers again, {before}", lambda: report() == before, seconds=PATIENCE)


def test_mongodb_away_for_30_s_under_load(breakable: Release) -> None:
    mongodb_away(breakable)


def test_every_predictor_killed_under_load(breakable: Release) -> None:
    predictors_killed(breakable)


def test_predictor_out_of_memory_under_load(breakable: Release) -> None:
    with load_in_cluster(breakable, RATE) as answers:
        wait_for_more(breakable, RIDES)
        pods = exhaust_memory(breakable, "predictor")
        for pod in pods:
            # The kubelet tells of it a little later.
            wait_for(f"a kill in {pod}", partial(out_of_memory_kills, breakable, pod), PATIENCE)
        wait_for_more(breakable, 3 * RIDES)

    assert len(answers.ride_ids) > 3 * RIDES
    assert_all_logged(breakable, answers.ride_ids)


def test_monitor_killed_says_the_same_again(breakable: Release) -> None:
    monitor_killed(breakable)


def test_upgrades_while_the_fallback_serves_leave_the_traffic(
    breakable: Release, values: dict[str, Any], tmp_path: Path
) -> None:
    """Without an operator that would mend it: the selector is looked at after each step."""
    file = tmp_path / "values.json"
    file.write_text(json.dumps({**values, "operator": {"nodeSelector": {"no-such": "node"}}}))

    def helm(binary: str, *words: str) -> str:
        done = subprocess.run(
            [binary, *words, "--kube-context", breakable.kubectl.context,
             "--namespace", breakable.kubectl.namespace],
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{binary} {words}: {done.stdout}{done.stderr}"
        return done.stdout

    def upgrade(binary: str, note: str, *options: str) -> None:
        helm(
            binary, "upgrade", "taxi", str(CHART), "--values", str(file), *options,
            "--set", f"monitor.podAnnotations.note={note}", "--set", "crds.install=false",
        )  # fmt: skip

    def operators() -> list[str]:
        selector = "app.kubernetes.io/component=operator"
        pods = breakable.kubectl.get("pods", "-l", selector)["items"]
        return [one["metadata"]["name"] for one in pods if one["status"]["phase"] == "Running"]

    assert traffic_of(breakable) == "predictor"
    breakable.kubectl.apply(falling_back(breakable, "emergency", ALWAYS))
    wait_for("fallback", lambda: traffic_of(breakable) == "fallback", seconds=PATIENCE)
    wait_for(
        "status",
        lambda: status_of(breakable, "emergency").get("traffic", {}).get("active") == "Fallback",
        seconds=PATIENCE,
    )
    with breakable.predictor() as predictor:
        found = patient_get(predictor, "/v1/model", timeout_seconds=20).json()
    assert found["model_role"] == "fallback"

    upgrade("helm", "one")
    wait_for("the operator's end", lambda: not operators(), seconds=PATIENCE)
    assert traffic_of(breakable) == "fallback"
    upgrade("helm", "by-force", "--server-side=true", "--force-conflicts")
    assert traffic_of(breakable) == "fallback", "helm upgrade --force-conflicts"
    # Helm 3 on the same release, as teams with both do.
    for binary in ("helm", "helm3"):
        upgrade(binary, f"by-{binary}")
        assert traffic_of(breakable) == "fallback", f"{binary} upgrade"
        helm(binary, "rollback", "taxi")
        assert traffic_of(breakable) == "fallback", f"{binary} rollback"
    assert not operators()

    breakable.install(values)
    delete_policy(breakable, "emergency")
    wait_for("champion", lambda: traffic_of(breakable) == "predictor", seconds=PATIENCE)


def jobs_of(release: Release, policy: str) -> list[str]:
    """Return the names of the Jobs of a policy."""
    found = release.kubectl.get("jobs", "-l", f"{POLICY_LABEL}={policy}")["items"]
    return [one["metadata"]["name"] for one in found]


@pytest.mark.parametrize(("point", "jobs_at_death"), [("after-intent", 0), ("after-job", 1)])
def test_operator_that_dies_makes_one_job_all_the_same(
    breakable: Release, values: dict[str, Any], point: str, jobs_at_death: int
) -> None:
    name = f"retrain-{point}"
    fault = [{"name": "TAXI_OPERATOR_FAULT", "value": point}]

    breakable.install({**values, "operator": {"env": fault}})
    breakable.kubectl.apply(retraining(breakable, name))
    wait_for(
        "death of the operator", lambda: sum(restarts_of(breakable, "operator").values()) >= 1,
        seconds=PATIENCE,
    )  # fmt: skip
    assert status_of(breakable, name)["decision"]["number"] == 1, "the intent was written first"
    assert len(jobs_of(breakable, name)) == jobs_at_death

    breakable.install(values)
    wait_for(
        "end of the run", lambda: status_of(breakable, name).get("run", {}).get("endedAt"),
        seconds=400,
    )  # fmt: skip
    assert len(jobs_of(breakable, name)) == 1
    assert status_of(breakable, name)["decision"]["number"] == 1
    delete_policy(breakable, name)


@pytest.mark.parametrize(
    ("word", "broken", "whole"),
    [
        ("ImagePullFailed", {"image": "taxi.invalid/no-such-image:1"}, {}),
        ("InvalidImageName", {"image": "No Such Image"}, {}),
        ("Unschedulable", {}, {"nodeSelector": {"no-such": "node"}}),
    ],
)
def test_run_whose_pod_cannot_start_says_why_and_goes_with_its_policy(
    breakable: Release, word: str, broken: dict[str, Any], whole: dict[str, Any]
) -> None:
    name = f"no-start-{word.lower()}"
    template = breakable.kubectl.get("cronjob", "taxi-train")["spec"]["jobTemplate"]["spec"]
    (container,) = template["template"]["spec"]["containers"]

    def change(container: dict[str, Any], pod: dict[str, Any]) -> None:
        spec = {**pod, "containers": [{"name": "train", **container}]}
        patch = {"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}}
        breakable.kubectl("patch", "cronjob/taxi-train", "-p", json.dumps(patch))

    def says() -> bool:
        run = status_of(breakable, name).get("run", {})
        return str(run.get("message", "")).startswith(word)

    change(broken, whole)
    try:
        breakable.kubectl.apply(retraining(breakable, name))
        # Runs of tests before this one keep it waiting for half a minute.
        wait_for(word, says, seconds=400)
        assert len(jobs_of(breakable, name)) == 1
        delete_policy(breakable, name)
        wait_for("the end of its Job", lambda: not jobs_of(breakable, name), seconds=PATIENCE)
    finally:
        change({"image": container["image"]}, dict.fromkeys(whole))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_soak_faults(breakable: Release) -> None:
    figures: dict[str, Any] = {"repetitions": REPETITIONS, "rate": RATE}
    for name, fault in (("mongodb_away", mongodb_away), ("predictors_killed", predictors_killed)):
        seen = [fault(breakable) for _ in range(REPETITIONS)]
        figures[name] = {
            "answered": sum(len(one.ride_ids) for one in seen),
            "failed": sum(one.failed for one in seen),
            "missing": 0,  # each run waits until the log has all
            "slowest_seconds": round(max(one.slowest_seconds for one in seen), 3),
        }
    for _ in range(REPETITIONS):
        monitor_killed(breakable)
    figures["monitor_killed"] = {"said_the_same": REPETITIONS}
    RESULT.write_text(
        json.dumps(
            {"figures": figures, "command": "make soak-faults",
             "versions": {"python": platform.python_version(),
                          "gunicorn": importlib.metadata.version("gunicorn")}},
            indent=1,
        ) + "\n"
    )  # fmt: skip
