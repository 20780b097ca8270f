"""Puts a worker together; called in each worker, after the fork."""

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Blueprint, Flask

from taxi_predict.heartbeat import Heartbeat
from taxi_predict.http.fast_path import ROUTE, FastPath
from taxi_predict.http.probe_routes import probe_blueprint
from taxi_predict.http.routes import blueprint, register
from taxi_predict.metrics import Metrics
from taxi_predict.serving.buffered_metrics import BufferedMetrics
from taxi_predict.serving.loaded_model import LoadedModel
from taxi_predict.serving.model_cache import ModelCache, ModelHolder, fetch
from taxi_predict.serving.predictions import Predictions
from taxi_predict.serving.readiness import WorkerReadiness
from taxi_predict.serving.undeclared_fields import FieldNames
from taxi_predict.settings import Settings, metrics_folder
from taxi_predict.spool.writer import SpoolWriter
from taxi_runtime.bodies import Bodies
from taxi_runtime.callers import Callers
from taxi_runtime.ports import Application, Ports
from taxi_runtime.restarts import Restarts
from taxi_runtime.tracing import traces_of
from taxi_schema.sizes import row_bytes, widest_row_bytes
from taxi_store.connection import connect, database_of
from taxi_store.registry.artifacts import Artifact
from taxi_store.registry.registry import Registry

if TYPE_CHECKING:
    from taxi_runtime.traces import Traces

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker's application, and what must be ended with it."""

    app: Application
    spool: SpoolWriter | None
    buffered: BufferedMetrics
    traces: "Traces | None"

    def stop(self) -> None:
        """Leave the spool to the delivery; called when the worker ends."""
        self.buffered.stop()
        if self.spool is not None:
            self.spool.close()
        if self.traces is not None:
            self.traces.stop()


def create_worker(
    settings: Settings, readiness: WorkerReadiness, restarts: Restarts, callers: Callers | None
) -> Worker:
    """Build the object graph of one worker."""
    metrics = Metrics(settings.heartbeat_file if settings.log else None, restarts)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    spool = (
        SpoolWriter(settings.spool_dir, settings.spool_max_bytes, settings.workers)
        if settings.log
        else None
    )
    buffered = BufferedMetrics(
        metrics, settings.model, settings.alias, ROUTE, FieldNames(metrics_folder())
    )
    buffered.start()
    holder = ModelHolder()
    traces = traces_of(settings)
    predictions = _kind_of_predictions(traces)(
        holder, spool, metrics, buffered, settings, time.time
    )

    bodies = Bodies(settings.body_bytes())

    def begin(model: LoadedModel) -> None:
        schema = model.schema
        bodies.allow(settings.body_bytes(row_bytes(schema), widest_row_bytes(schema)))
        predictions.begin(model)
        readiness.mark_ready()

    holder.load(lambda: _from_registry(settings), ModelCache(settings.data_dir), begin)
    heartbeat = Heartbeat(settings.heartbeat_file) if settings.log else None
    routes = blueprint(predictions, metrics, buffered, bodies, settings.batch_max_rows)
    api = _flask(routes, metrics, callers)
    probes = _flask(probe_blueprint(predictions, metrics, readiness, heartbeat), metrics, None)
    answers = _traced(FastPath(api, predictions, buffered, callers), api, traces)
    app = Ports(answers, probes, settings.metrics_port)
    return Worker(app, spool, buffered, traces)


def _kind_of_predictions(traces: "Traces | None") -> type[Predictions]:
    if traces is None:
        return Predictions
    from taxi_predict.serving.traced_predictions import TracedPredictions

    return TracedPredictions


def _traced(app: Application, routes: Flask, traces: "Traces | None") -> Application:
    if traces is None:
        return app
    from taxi_runtime.traced_http import TracedApplication

    return TracedApplication(app, routes, traces)


def _flask(routes: Blueprint, metrics: Metrics, callers: Callers | None) -> Flask:
    app = Flask("taxi_predict", static_folder=None)
    register(app, metrics, callers)
    app.register_blueprint(routes)
    return app


def _from_registry(settings: Settings) -> Artifact:
    """Fetch the artifact that this pod serves; the connection is needed only once."""
    with connect(settings.mongodb_address(), app_name="taxi-predict") as client:
        return fetch(Registry(database_of(client)), settings.model, settings.alias)
