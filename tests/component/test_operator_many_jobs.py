"""Thousands of finished Jobs of others in the namespace: the operator does not read them."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.operator_process import OperatorProcess, eventually
from support.policy_namespace import PolicyNamespace

pytestmark = [pytest.mark.component, pytest.mark.soak]

COUNT = 5000
MEBIBYTE = 1024 * 1024
_NOW = "2026-01-01T00:00:00Z"


def add_finished(world: PolicyNamespace, number: int) -> None:
    name = f"other-{number}"
    text = {"name": "A", "value": "x" * 500}
    pod = {
        "restartPolicy": "Never", "containers": [{"name": "c", "image": "none", "env": [text]}]
    }  # fmt: skip
    manifest = {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"template": {"spec": pod}},
    }  # fmt: skip
    world.api.apply(manifest, world.namespace)
    ends = [
        {"type": kind, "status": "True", "lastTransitionTime": _NOW, "reason": "Test"}
        for kind in ("SuccessCriteriaMet", "Complete")
    ]
    status = {"startTime": _NOW, "completionTime": _NOW, "conditions": ends}
    world.api.patch("Job", world.namespace, name, {"status": status}, "/status")


def cores(operator: OperatorProcess, seconds: float = 10.0) -> float:
    begin, worked = time.monotonic(), operator.cpu_seconds()
    memory = []
    while time.monotonic() < begin + seconds:
        time.sleep(1)  # this is measured over some time
        memory.append(operator.memory_bytes())
    print(f"{statistics.median(memory) / MEBIBYTE:.0f} MiB")
    return (operator.cpu_seconds() - worked) / (time.monotonic() - begin)


def test_finished_jobs_of_others_cost_nothing(world: PolicyNamespace) -> None:
    operator = world.operator()
    world.apply_policy()
    operator.reconcile(5)
    before, busy = operator.memory_bytes(), cores(operator)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: add_finished(world, number), range(COUNT)))
    operator.reconcile(5)

    print(f"cores: {busy:.3f} before, {cores(operator):.3f} with {COUNT} Jobs")
    assert operator.memory_bytes() - before < 8 * MEBIBYTE
    world.say(drift=2)
    eventually("a run starts beside them", lambda: len(world.jobs()) == COUNT + 1, 60)
