"""Counts of the hot path, put into the shared metrics in strides.

A metric that all workers share costs several microseconds for each update. Here a row costs
an append; a killed worker loses at most 0.25 s of counts.
"""

import collections
import logging
import threading
from collections.abc import Sequence
from typing import Final

from taxi_domain.metrics import (
    PREDICTOR_EXTRA_DROPPED,
    PREDICTOR_PREDICTED_VALUE,
    PREDICTOR_PREDICTIONS,
    PREDICTOR_REQUEST_DURATION,
    PREDICTOR_REQUESTS,
    PREDICTOR_UNDECLARED,
)
from taxi_predict.metrics import BulkHistogram, Metrics
from taxi_predict.serving.loaded_model import LoadedModel
from taxi_predict.serving.undeclared_fields import OTHER, FieldNames, UndeclaredFields

logger = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 0.25
#: A flush of more would be felt by the requests behind it.
_MAX_WAITING: Final = 100


class BufferedMetrics:
    """Counts answered rows and the requests of `POST /predict`; safe for several threads.

    Attributes:
        asked: Counts the undeclared fields of a row; called once for each that is asked.
    """

    def __init__(
        self, metrics: Metrics, model: str, role: str, route: str, names: FieldNames
    ) -> None:
        self._metrics = metrics
        self._labels = model, role
        self._predictions = metrics[PREDICTOR_PREDICTIONS].labels(model, role)
        self._values: BulkHistogram | None = None
        self._requests = metrics[PREDICTOR_REQUESTS].labels(route, "200")
        self._seconds = metrics[PREDICTOR_REQUEST_DURATION].labels(route)
        # There from the start, at zero: none of them is known, too.
        metrics[PREDICTOR_UNDECLARED].labels(model, role, OTHER)
        self._undeclared = UndeclaredFields(
            names,
            lambda field, rows: metrics[PREDICTOR_UNDECLARED].labels(model, role, field).inc(rows),
        )
        self.asked = self._undeclared.add
        self._predicted: list[float] = []
        self._answered: list[float] = []
        self._dropped: collections.Counter[str] = collections.Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="buffered", daemon=True)

    def begin(self, model: LoadedModel) -> None:
        """Count by a model's schema and in its buckets from now on.

        Raises:
            OSError: the disk has no room.
        """
        self._metrics.set_buckets(PREDICTOR_PREDICTED_VALUE, model.buckets)
        self._values = self._metrics[PREDICTOR_PREDICTED_VALUE].labels(*self._labels)
        self._undeclared.declared = model.fields

    def start(self) -> None:
        """Flush every quarter of a second from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Flush a last time."""
        self._stop.set()
        self.flush()

    def predicted(self, values: list[float]) -> None:
        """Count answered rows."""
        self._predicted += values

    def dropped(self, reasons: Sequence[str]) -> None:
        """Count a row whose undeclared fields are not all logged."""
        self._dropped.update(reasons)

    def answered(self, seconds: float) -> None:
        """Count a request."""
        self._answered.append(seconds)
        if len(self._answered) > _MAX_WAITING:
            self.flush()

    def flush(self) -> None:
        """Put what was counted into the metrics."""
        # Replaced before they are read: what is counted meanwhile waits in the new lists.
        predicted, self._predicted = self._predicted, []
        answered, self._answered = self._answered, []
        dropped, self._dropped = self._dropped, collections.Counter()
        self._predictions.inc(len(predicted))
        if self._values is not None:
            self._values.observe_all(predicted)
        self._requests.inc(len(answered))
        self._seconds.observe_all(answered)
        for reason, rows in dropped.items():
            self._metrics[PREDICTOR_EXTRA_DROPPED].labels(reason).inc(rows)
        self._undeclared.flush()

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            try:
                self.flush()
            except Exception:
                # A full disk, say: what was counted is lost, what comes later need not be.
                logger.exception("counts of the last quarter of a second are lost")
