"""Puts a worker together; called in each worker, after the fork."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Flask

from taxi_domain.models import Alias
from taxi_domain.mongodb import DATABASE
from taxi_predict.delivery import Delivery
from taxi_predict.destinations import MongoLog, Monitor, ShadowScorer
from taxi_predict.metrics import Metrics
from taxi_predict.model_source import ModelCache, ModelHolder
from taxi_predict.routes import blueprint, register
from taxi_predict.service import Predictions
from taxi_predict.settings import Settings
from taxi_predict.spool import Spool
from taxi_store.connection import connect
from taxi_store.registry import Registry

_MOST_BODY_BYTES = 2 * 1024 * 1024

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker's application, and what must be ended with it."""

    app: Flask
    delivery: Delivery | None
    drain_seconds: float

    def stop(self) -> None:
        """Deliver what waits; called when the worker ends."""
        if self.delivery is not None:
            self.delivery.stop(self.drain_seconds)


def _now() -> datetime:
    """Return the time in whole milliseconds: MongoDB keeps no more, and order must survive it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def create_worker(settings: Settings) -> Worker:
    """Build the object graph of one worker."""
    client = connect(settings.mongodb_uri, app_name="taxi-predict")
    database = client[DATABASE]
    metrics = Metrics()
    holder = ModelHolder()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    holder.load_in_background(
        lambda: Registry(database), settings.model, settings.alias, ModelCache(settings.data_dir)
    )
    spool = delivery = None
    if settings.log:
        spool = Spool(settings.data_dir / "spool", settings.spool_max_bytes // settings.workers)
        listener = (
            Monitor(settings.monitor_url, settings.monitor_token) if settings.monitor_url else None
        )
        scorer = (
            ShadowScorer(Registry(database), settings.model, Alias(settings.shadow_alias))
            if settings.shadow_alias
            else None
        )
        delivery = Delivery(spool, MongoLog(database), listener, scorer, metrics)
    predictions = Predictions(
        holder, spool, metrics, model=settings.model, role=settings.alias,
        spool_full=settings.spool_full, max_distance_miles=settings.max_distance_miles,
        clock=_now,
    )  # fmt: skip
    app = Flask("taxi_predict")
    app.config["MAX_CONTENT_LENGTH"] = _MOST_BODY_BYTES
    register(app, metrics)
    app.register_blueprint(blueprint(predictions, delivery, metrics, settings.batch_max_rides))
    return Worker(app, delivery, settings.drain_seconds)
