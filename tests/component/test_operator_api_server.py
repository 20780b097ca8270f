"""The API server goes away, hangs, or has another policy of the same name meanwhile."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.operator_process import OperatorProcess, eventually
from support.policy_namespace import PolicyNamespace

from taxi_domain.runs import RunResult

pytestmark = pytest.mark.component

ERRORS = "taxi_operator_api_errors_total"


def wait_for_errors(operator: OperatorProcess) -> None:
    """Wait until the operator has met the outage several times."""
    before = operator.metric(ERRORS)
    eventually("it notices", lambda: operator.metric(ERRORS) >= before + 3)
    assert operator.is_well()


@pytest.mark.parametrize("how", ["kill", "hang"])
def test_operator_outlives_the_api_server(world: PolicyNamespace, how: str) -> None:
    server = world.plane.api_server
    operator = world.operator()
    world.say(drift=2)
    world.apply_policy()
    (job,) = eventually("a Job", world.jobs)

    getattr(server, how)()
    try:
        wait_for_errors(operator)
    finally:
        if how == "kill":
            world.plane.start_api_server()
        else:
            server.wake()

    world.write_report(job, RunResult.NOT_BETTER)
    eventually(
        "the story goes on", lambda: (world.status().get("run") or {}).get("state") == "Refused"
    )
    operator.reconcile()
    assert len(world.jobs()) == 1
    assert operator.is_well()
    # New policies are seen too: the watch is back.
    world.delete_policy()
    world.apply_policy("late", modelName="late")
    eventually("the new policy is served", lambda: world.status("late").get("signals"))


class Gate(BaseHTTPRequestHandler):
    """A Prometheus that answers when it is let."""

    asked = threading.Event()
    opened = threading.Event()

    def do_GET(self) -> None:
        self.asked.set()
        self.opened.wait(20)
        self.send_error(503)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_policy_made_anew_inherits_nothing(world: PolicyNamespace) -> None:
    slow = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    threading.Thread(target=slow.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{slow.server_port}"
    operator = world.operator(PROMETHEUS_ALLOWED=url)
    world.say(drift=2)
    world.apply_policy()
    eventually("a run", lambda: (world.status().get("run") or {}).get("state") == "Running")
    slow_prometheus = {"spec": {"prometheus": {"url": url, "timeoutSeconds": 30}}}
    world.api.patch("DriftPolicy", world.namespace, "p", slow_prometheus)
    assert Gate.asked.wait(90)

    # The reconcile has read the old policy and waits. Its heir is suspended and starts no run.
    world.delete_policy()
    world.apply_policy(mode="Suspend")
    assert world.status() == {}
    Gate.opened.set()

    eventually("the heir is looked at", lambda: world.status().get("signals"))
    operator.reconcile()
    assert "run" not in world.status()
    slow.shutdown()
