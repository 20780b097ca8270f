"""Another version's answers to the same rows, for its error to stay known."""

import logging
import time
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Final

from taxi_domain.errors import TaxiError
from taxi_domain.metrics import NOT_FINITE, PREDICTOR_SHADOW_FAILED
from taxi_domain.models import Alias
from taxi_domain.records import PredictionRecord, Shadow
from taxi_predict.metrics import Metrics
from taxi_predict.serving.loaded_model import LoadedModel, loaded
from taxi_schema.records import row_of
from taxi_store.registry.registry import Registry
from taxi_store.rotated_database import RotatedDatabase

logger = logging.getLogger(__name__)

_REFRESH_SECONDS: Final = 10.0


class ShadowScorer:
    """Lets the version of another alias answer the same rows, by its own schema.

    Args:
        store: Whose registry has the version.
        model: Name of the model.
        alias: Points at the version.
        metrics: Counts the rows that it has no answer for.
    """

    def __init__(self, store: RotatedDatabase, model: str, alias: Alias, metrics: Metrics) -> None:
        self._store = store
        self._model = model
        self._alias = alias
        self._current: LoadedModel | None = None
        self._look_at = 0.0
        failed = metrics[PREDICTOR_SHADOW_FAILED]
        self._failed = failed.labels(model, str(alias), "error")
        self._not_finite = failed.labels(model, str(alias), NOT_FINITE)
        self._clock: Callable[[], float] = time.monotonic

    def score(self, records: Sequence[PredictionRecord]) -> list[PredictionRecord]:
        """Add the version's answers; without one the records go on unscored.

        What is not finite is no answer: readers of the log could not read it.
        """
        model = self._current
        if model is None:
            return list(records)
        try:
            rows = (row_of(model.schema, record.inputs, record.event_time) for record in records)
            answers = model.graph.predict([model.features(row) for row, _ in rows])
        except Exception:
            # A graph that fails has onnxruntime's own errors; the log must not wait for it.
            logger.exception("shadow version cannot answer", extra={"version": model.version})
            self._failed.inc(len(records))
            return list(records)
        self._not_finite.inc(sum(not isfinite(answer) for answer in answers))
        return [
            record._replace(shadow=(Shadow(model.version, answer),)) if isfinite(answer) else record
            for record, answer in zip(records, answers, strict=True)
        ]

    def refresh(self) -> None:
        """Follow the alias; loading takes long, so `score` does not wait for it."""
        if self._clock() < self._look_at:
            return
        self._look_at = self._clock() + _REFRESH_SECONDS
        try:
            entry = self._store.use(lambda one: Registry(one).alias(self._model, self._alias))
            if entry and (self._current is None or entry.version != self._current.version):
                version = entry.version
                self._current = loaded(self._store.use(lambda one: Registry(one).load(version)))
                logger.info("shadow version is loaded", extra={"version": version})
        except TaxiError as error:
            # Serving and logging go on; the champion's signals then have no fresh rows.
            logger.warning("shadow version cannot be refreshed", extra={"reason": str(error)})
