"""HTTP of the port for Prometheus and the kubelet: metrics, and whether the worker can answer."""

from http import HTTPStatus

from flask import Blueprint, Response

from taxi_predict import metrics as exposed
from taxi_predict.heartbeat import Heartbeat
from taxi_predict.metrics import Metrics
from taxi_predict.serving.predictions import NoModelError, Predictions
from taxi_predict.serving.readiness import WorkerReadiness
from taxi_runtime.bodies import JSON
from taxi_runtime.doors import PROBES, PROMETHEUS, Door
from taxi_runtime.problems import ProblemError


def probe_blueprint(
    predictions: Predictions,
    metrics: Metrics,
    readiness: WorkerReadiness,
    heartbeat: Heartbeat | None,
) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("probes", __name__)

    @routes.get("/healthz")
    @Door(PROBES)
    def healthz() -> Response:
        return Response(b'{"status":"alive"}', content_type=JSON)

    @routes.get("/readyz")
    @Door(PROBES)
    def readyz() -> Response:
        predictions.loaded()
        if not readiness.all_ready():
            raise NoModelError("other workers of this pod are still loading it")
        if heartbeat is not None and heartbeat.cannot_start():
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "delivery: cannot start, so nothing that is answered would be logged; see the log",
            )
        return Response(b'{"status":"ready"}', content_type=JSON)

    @routes.get("/metrics")
    @Door(PROMETHEUS)
    def show_metrics() -> Response:
        return Response(metrics.exposition(), content_type=exposed.CONTENT_TYPE)

    return routes
