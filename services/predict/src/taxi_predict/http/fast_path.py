"""The way of one good ride, in front of Flask.

`POST /predict` is nearly all of the traffic. Routing, contexts and response objects cost more
than the prediction itself, so a plain ride is answered here; whatever is not one (another
route or type, a refusal, a full spool) goes on to Flask, whose route gives the same answer.
Nothing is logged before the ride is known to be good, so going on repeats nothing.
"""

import io
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from taxi_predict.serving.buffered_metrics import BufferedMetrics
from taxi_predict.serving.predictions import Predictions
from taxi_runtime.bodies import JSON, Environ, MalformedBodyError

Application = Callable[[Environ, Any], Iterable[bytes]]

ROUTE: Final = "/predict"
#: A ride has about a hundred bytes; larger bodies go to Flask, which has the limits.
_MAX_BYTES: Final = 4096
#: Fields that each ride has.
_REQUIRED: Final = 3


class FastPath:
    """WSGI application around Flask's."""

    def __init__(
        self, app: Application, predictions: Predictions, buffered: BufferedMetrics
    ) -> None:
        self._app = app
        self._predictions = predictions
        self._buffered = buffered

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a ride, or let Flask answer."""
        if (
            environ["PATH_INFO"] != ROUTE
            or environ["REQUEST_METHOD"] != "POST"
            or environ.get("CONTENT_TYPE") != JSON
            or "HTTP_CONTENT_ENCODING" in environ
        ):
            return self._app(environ, start_response)
        size = _size(environ.get("CONTENT_LENGTH"))
        if not 0 < size <= _MAX_BYTES:
            return self._app(environ, start_response)
        begin = time.perf_counter()
        try:
            body = environ["wsgi.input"].read(size)
        except (TimeoutError, MalformedBodyError) as error:
            environ["wsgi.input"] = _Unreadable(error)
            return self._app(environ, start_response)
        try:
            predictions = self._predictions
            fields = msgspec.json.decode(body)
            ride = predictions.parse(fields)
            (answer,) = predictions.answer([ride], begin)
        except Exception:  # whatever it is, Flask's route meets it again, answers and counts it
            environ["wsgi.input"] = io.BytesIO(body)
            return self._app(environ, start_response)
        if answer is None:
            environ["wsgi.input"] = io.BytesIO(body)
            return self._app(environ, start_response)
        data = msgspec.json.encode(answer)
        start_response("200 OK", [("Content-Type", JSON), ("Content-Length", str(len(data)))])
        # Nearly all rides have the fields that were read, and no other.
        if len(fields) != _REQUIRED + (ride.pickup_at is not None) + (ride.ride_id is not None):
            self._buffered.asked(fields)
        self._buffered.answered(time.perf_counter() - begin)
        return [data]


class _Unreadable:
    """A body that could not be read: who reads it again is told so, and does not wait again."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, _size: int = -1) -> bytes:
        raise self._error


def _size(header: str | None) -> int:
    return int(header) if header is not None and header.isdigit() else 0
