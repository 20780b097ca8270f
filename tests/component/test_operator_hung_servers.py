"""Prometheus servers that take connections and never answer: only their own policies wait."""

import math
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from support.control_plane import condition_of
from support.lying_prometheus import NOW, lying_prometheus, result
from support.operator_process import OperatorProcess, eventually
from support.policy_namespace import PolicyNamespace

pytestmark = pytest.mark.component

COUNT = 12
INTERVAL = 5
#: With the operator's jitter, and its look twice a second at who is due.
LONGEST_PACE = 1.05 * INTERVAL + 0.5
#: Long enough for five evaluations, and for breakers that open and try again.
WATCHED = 30
#: A machine that stalls for seconds does so now and then; a reconcile that waits does so each time.
TRIES = 3


@pytest.fixture
def hung() -> Iterator[list[str]]:
    """Return the addresses of servers that never answer; the kernel takes the connections."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
            for _ in range(COUNT)
        ]
        yield [f"http://127.0.0.1:{one.getsockname()[1]}" for one in sockets]


def evaluated(operator: OperatorProcess) -> float:
    return operator.metric("taxi_operator_reconciles_total", 'policy="well-')


def keeps_the_interval(operator: OperatorProcess, told: list[str]) -> bool:
    """Watch it for some time, and add to what is told of it."""
    begin, before, worked = time.monotonic(), evaluated(operator), operator.cpu_seconds()
    lags: list[float] = []
    while (seconds := time.monotonic() - begin) < WATCHED:
        time.sleep(1)
        lags += operator.metric_values("taxi_operator_reconcile_lag_seconds", 'policy="well-')
    evaluations = evaluated(operator) - before
    cores = (operator.cpu_seconds() - worked) / seconds

    lag = statistics.quantiles(lags, n=20)[-1]
    told.append(
        f"lag p95 {lag:.2f} s, {evaluations:.0f} evaluations, {cores:.2f} cores, "
        f"{operator.memory_bytes() / 2**20:.0f} MiB"
    )
    print(told[-1])
    # Those that were made together are evaluated together: the last may be behind the end. The lag
    # is about 1 s; more than a minute when a reconcile keeps its place while it waits.
    return evaluations >= COUNT * math.floor(seconds / LONGEST_PACE) and lag <= INTERVAL / 2


def test_healthy_policies_keep_their_interval_beside_hung_servers(
    world: PolicyNamespace, hung: list[str]
) -> None:
    with lying_prometheus() as well:
        well.answer = result("matrix", [{"metric": {}, "values": [[NOW, "0"]]}])
        operator = world.operator(
            PROMETHEUS_URL=well.url, PROMETHEUS_ALLOWED=" ".join(hung), PROMETHEUS_TIMEOUT="10"
        )
        for number, url in enumerate(hung):
            for name, prometheus in ((f"hung-{number}", {"url": url}), (f"well-{number}", None)):
                world.apply_policy(
                    name, mode="DryRun", prometheus=prometheus, retrain=None, rules=None,
                    fallback=None, evaluation={"intervalSeconds": INTERVAL},
                    signals=[world.signal("drift", promql="q")],
                )  # fmt: skip
        names = [f"well-{number}" for number in range(COUNT)]

        eventually("all were evaluated twice", lambda: evaluated(operator) >= 2 * COUNT)
        told: list[str] = []
        assert any(keeps_the_interval(operator, told) for _ in range(TRIES)), told
        for number in range(COUNT):
            policy = world.policy(f"hung-{number}")
            assert condition_of(policy, "MetricsAvailable") == ("False", "PrometheusUnreachable")
        assert {condition_of(world.policy(name), "MetricsAvailable")[0] for name in names} == {
            "True"
        }
        assert operator.is_well()
