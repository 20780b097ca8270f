"""The main job on real rides: the quiet weeks are left alone, the collapse is mended.

The collapse runs with the operator killed while its retrain Job runs.
"""

import threading
from typing import Any

import pytest
from rich.console import Console
from support.waiting import wait_for

from taxi_domain.kube import DECISION_LABEL
from taxi_stories.kubectl import Kubectl
from taxi_stories.release import Release
from taxi_stories.scenarios import COLLAPSE, QUIET
from taxi_stories.story import Teller

LONGEST = 1800
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(LONGEST)]


def test_quiet_weeks_are_left_alone(context: str, values: dict[str, Any]) -> None:
    Teller(QUIET, context, values, console=Console(width=200)).tell()


def test_collapse_is_mended_although_the_operator_is_killed(
    context: str, values: dict[str, Any]
) -> None:
    kubectl = Kubectl(context, "taxi-collapse")
    killed: list[str] = []
    failures: list[BaseException] = []
    told = threading.Event()

    def kill_when_the_job_runs() -> None:
        try:
            wait_for("a retrain Job that runs", lambda: told.is_set() or _active(kubectl), LONGEST)
            if told.is_set():
                return
            pod = kubectl.get("pods", "-l", "app.kubernetes.io/component=operator")["items"][0]
            name = pod["metadata"]["name"]
            kubectl("delete", "pod", name, "--force", "--grace-period=0")
            assert _active(kubectl), "the Job still ran when the operator was gone"
            killed.append(name)
        except BaseException as error:
            failures.append(error)

    killer = threading.Thread(target=kill_when_the_job_runs, daemon=True)
    killer.start()
    try:
        try:
            Teller(COLLAPSE, context, values, keep=True, console=Console(width=200)).tell()
        finally:
            told.set()
        killer.join(10)
        jobs = _retrain_jobs(kubectl)
        assert not failures, failures
        assert killed, "the operator was killed in the middle"
        assert len(jobs) == 1, [job["metadata"]["name"] for job in jobs]
    finally:
        Release(kubectl).uninstall()


def _retrain_jobs(kubectl: Kubectl) -> list[dict[str, Any]]:
    if not kubectl("get", "namespace", kubectl.namespace, "--ignore-not-found").strip():
        return []
    found: list[dict[str, Any]] = kubectl.get("jobs", "-l", DECISION_LABEL)["items"]
    return found


def _active(kubectl: Kubectl) -> bool:
    return any(job.get("status", {}).get("active") for job in _retrain_jobs(kubectl))
