"""Counts of the hot path, put into the shared metrics in strides.

A metric that all workers share costs several microseconds for each update. Here a ride costs
an append; who kills a worker loses the counts of its last quarter of a second.
"""

import logging
import threading
from typing import Final

from taxi_domain.metrics import (
    PREDICTOR_PREDICTED_DURATION,
    PREDICTOR_PREDICTIONS,
    PREDICTOR_REQUEST_DURATION,
    PREDICTOR_REQUESTS,
    PREDICTOR_UNDECLARED,
)
from taxi_predict.metrics import Metrics
from taxi_predict.serving.undeclared_fields import OTHER, FieldNames, UndeclaredFields

logger = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 0.25
#: A flush of more would be felt by the requests behind it.
_MAX_WAITING: Final = 100


class BufferedMetrics:
    """Counts answered rides and the requests of `POST /predict`; safe for several threads.

    Attributes:
        asked: Counts the undeclared fields of a ride; called once for each that is asked.
    """

    def __init__(
        self, metrics: Metrics, model: str, role: str, route: str, names: FieldNames
    ) -> None:
        self._predictions = metrics[PREDICTOR_PREDICTIONS].labels(model, role)
        self._durations = metrics[PREDICTOR_PREDICTED_DURATION].labels(model, role)
        self._requests = metrics[PREDICTOR_REQUESTS].labels(route, "200")
        self._seconds = metrics[PREDICTOR_REQUEST_DURATION].labels(route)
        # There from the start, at zero: none of them is known, too.
        metrics[PREDICTOR_UNDECLARED].labels(model, role, OTHER)
        self._undeclared = UndeclaredFields(
            names,
            lambda field, rides: (
                metrics[PREDICTOR_UNDECLARED].labels(model, role, field).inc(rides)
            ),
        )
        self.asked = self._undeclared.add
        self._predicted: list[float] = []
        self._answered: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="buffered", daemon=True)

    def start(self) -> None:
        """Flush every quarter of a second from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Flush a last time."""
        self._stop.set()
        self.flush()

    def predicted(self, minutes: list[float]) -> None:
        """Count answered rides."""
        self._predicted += minutes

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
        self._predictions.inc(len(predicted))
        self._durations.observe_all([minutes * 60 for minutes in predicted])
        self._requests.inc(len(answered))
        self._seconds.observe_all(answered)
        self._undeclared.flush()

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            try:
                self.flush()
            except Exception:
                # A full disk, say: what was counted is lost, what comes later need not be.
                logger.exception("counts of the last quarter of a second are lost")
