"""HTTP of the port for Prometheus and the kubelet: metrics, and whether the threads do their work.

It has threads of its own: whatever clients ask, and however many do, a scrape waits for none.
"""

from http import HTTPStatus

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from taxi_monitor.http.routes import Parts, json_of
from taxi_runtime.doors import PROBES, PROMETHEUS, Door
from taxi_runtime.problems import ProblemError


def probe_blueprint(parts: Parts) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("probes", __name__)

    @routes.get("/healthz")
    @Door(PROBES)
    def healthz() -> Response:
        threads = {
            "evaluation": (parts.tailer.is_alive(), parts.tailer.finished_at),
            "evidence": (parts.evidence.is_alive(), parts.evidence.moved_at),
        }
        for name, (is_alive, at) in threads.items():
            age = parts.clock() - at
            if not is_alive or age > parts.stale_after_seconds:
                raise ProblemError(
                    HTTPStatus.INTERNAL_SERVER_ERROR, f"no {name} for {age:.0f} s; restart the pod"
                )
        return json_of({"status": "alive"})

    @routes.get("/readyz")
    @Door(PROBES)
    def readyz() -> Response:
        # Without a first model there is nothing to rebuild, so the monitor is ready and says it.
        if parts.state.problem and not parts.probes.run(parts.state.watched):
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, parts.state.problem)
        return json_of({"status": "ready"})

    @routes.get("/metrics")
    @Door(PROMETHEUS)
    def metrics() -> Response:
        text = parts.probes.run(lambda: generate_latest(parts.registry))
        return Response(text, content_type=CONTENT_TYPE_LATEST)

    return routes
