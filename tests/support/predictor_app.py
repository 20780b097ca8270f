"""The predictor's application without its server: requests go in, answers, counts and a log out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bson
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import Counter

from taxi_domain.metrics import (
    PREDICTOR_FAILED,
    PREDICTOR_PREDICTIONS,
    PREDICTOR_REFUSED,
    PREDICTOR_UNDECLARED,
)
from taxi_predict.delivery.shipper import Shipper
from taxi_predict.http.fast_path import ROUTE, FastPath
from taxi_predict.http.probe_routes import probe_blueprint
from taxi_predict.http.routes import blueprint, register
from taxi_predict.metrics import Metrics
from taxi_predict.serving.buffered_metrics import BufferedMetrics
from taxi_predict.serving.loaded_model import LoadedModel
from taxi_predict.serving.model_cache import ModelHolder
from taxi_predict.serving.predictions import Predictions
from taxi_predict.serving.readiness import WorkerReadiness
from taxi_predict.serving.undeclared_fields import FieldNames
from taxi_predict.settings import Settings
from taxi_predict.spool.reader import SpoolReader
from taxi_predict.spool.writer import SpoolWriter
from taxi_runtime.bodies import Bodies
from taxi_runtime.callers import Callers

BATCH_MAX_ROWS = 5
JSON = "application/json"


class Kept:
    """A sink that keeps what it is given."""

    name = "mongodb"

    def __init__(self) -> None:
        self.documents: list[dict[str, object]] = []

    def write(self, records: Sequence[bytes]) -> None:
        """Keep records."""
        self.documents += [bson.decode(record) for record in records]


@dataclass
class PredictorApp:
    """A worker's parts."""

    client: FlaskClient
    probes: FlaskClient
    metrics: Metrics
    buffered: BufferedMetrics
    spool: SpoolWriter
    folder: Path

    def post(self, path: str, body: object, content_type: str = JSON) -> int:
        """Post a body, JSON unless it is bytes already, and return the status."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(path, data=data, content_type=content_type).status_code

    def counts(self) -> dict[str, float]:
        """Return how many rows were answered, refused (by reason) and failed (by reason)."""
        self.buffered.flush()
        counts = {"answered": sum(values_of(self.metrics[PREDICTOR_PREDICTIONS]).values())}
        for counter in (self.metrics[PREDICTOR_REFUSED], self.metrics[PREDICTOR_FAILED]):
            counts |= {labels[-1]: value for labels, value in values_of(counter).items() if value}
        return counts

    def undeclared(self) -> dict[str, float]:
        """Return the rows by undeclared field."""
        self.buffered.flush()
        counts = values_of(self.metrics[PREDICTOR_UNDECLARED])
        return {labels[-1]: value for labels, value in counts.items() if value}

    def delivered(self) -> list[dict[str, object]]:
        """Deliver what waits in the spool, and return the documents."""
        self.spool.close()
        log = Kept()
        shipper = Shipper(SpoolReader(self.folder / "spool"), log, None, None, self.metrics)
        while shipper.batch(100):
            pass
        return log.documents


def values_of(counter: Counter) -> dict[tuple[str, ...], float]:
    """Return a counter's values by its labels."""
    (family,) = counter.collect()
    return {
        tuple(sample.labels.values()): sample.value
        for sample in family.samples if sample.name.endswith("_total")
    }  # fmt: skip


def predictor_app(
    folder: Path,
    model: LoadedModel | None,
    spool: SpoolWriter | None = None,
    callers: Callers | None = None,
) -> PredictorApp:
    """Return an application that answers with a model, or has none yet."""
    settings = Settings.model_validate({"TAXI_MONGODB_URI": "mongodb://nowhere"})
    metrics, holder = Metrics(), ModelHolder()
    spool = spool or SpoolWriter(folder / "spool", 1 << 20)
    names = FieldNames(folder)
    buffered = BufferedMetrics(metrics, settings.model, settings.alias, ROUTE, names)
    predictions = Predictions(holder, spool, metrics, buffered, settings, lambda: 0.0)
    if model is not None:
        predictions.begin(model)
        holder.current = model
    app, probes = Flask("test", static_folder=None), Flask("test", static_folder=None)
    for one in (app, probes):
        one.logger.disabled = True
    register(app, metrics, callers)
    register(probes, metrics, None)
    app.register_blueprint(
        blueprint(predictions, metrics, buffered, Bodies(100_000), BATCH_MAX_ROWS)
    )
    readiness = WorkerReadiness(folder / "readiness", 1)
    probes.register_blueprint(probe_blueprint(predictions, metrics, readiness, None))
    app.wsgi_app = FastPath(  # type: ignore[method-assign]
        app.wsgi_app, predictions, buffered, callers
    )
    return PredictorApp(app.test_client(), probes.test_client(), metrics, buffered, spool, folder)
