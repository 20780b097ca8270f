"""The way of one good row, in front of Flask.

`POST /predict` is nearly all of the traffic. Routing, contexts and response objects cost more
than the prediction itself, so a plain row is answered here; whatever is not one (another
route or type, a refusal, a full spool) goes on to Flask, whose route gives the same answer.
Nothing is logged before the row is known to be good, so going on repeats nothing.
"""

import io
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from taxi_predict.serving.buffered_metrics import BufferedMetrics
from taxi_predict.serving.predictions import Predictions
from taxi_runtime.bodies import JSON, Environ, MalformedBodyError
from taxi_runtime.callers import Callers

Application = Callable[[Environ, Any], Iterable[bytes]]

ROUTE: Final = "/predict"
#: Most rows have a few hundred bytes; wider ones go to Flask, which has the limits.
_MAX_BYTES: Final = 4096
_decode: Final = msgspec.json.decode
_encode: Final = msgspec.json.encode


class FastPath:
    """WSGI application around Flask's."""

    def __init__(
        self,
        app: Application,
        predictions: Predictions,
        buffered: BufferedMetrics,
        callers: Callers | None = None,
    ) -> None:
        self._app = app
        self._callers = callers
        self._predictions = predictions
        self._buffered = buffered

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a row, or let Flask answer."""
        if (
            environ["PATH_INFO"] != ROUTE
            or environ["REQUEST_METHOD"] != "POST"
            or environ.get("CONTENT_TYPE") != JSON
            or "HTTP_CONTENT_ENCODING" in environ
            or (caller := self._caller(environ)) is None
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
            model = predictions.loaded()
            fields = _decode(body)
            row = model.parse(fields)
            (answer,) = predictions.answer(model, [row], begin, caller)
        except Exception:  # whatever it is, Flask's route meets it again, answers and counts it
            environ["wsgi.input"] = io.BytesIO(body)
            return self._app(environ, start_response)
        if answer is None:
            environ["wsgi.input"] = io.BytesIO(body)
            return self._app(environ, start_response)
        data = _encode(answer)
        start_response("200 OK", [("Content-Type", JSON), ("Content-Length", str(len(data)))])
        if row.extra is not None or row.dropped:  # nearly all rows have declared fields only
            self._buffered.asked(fields)
        self._buffered.answered(time.perf_counter() - begin)
        return [data]

    def _caller(self, environ: Environ) -> str | None:
        """Return who asks; None where a token is asked for and none came."""
        if self._callers is None:
            return ""
        return self._callers.name_of(environ.get("HTTP_AUTHORIZATION", ""))


class _Unreadable:
    """A body that could not be read: reading it again raises the same error at once."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, _size: int = -1) -> bytes:
        raise self._error


def _size(header: str | None) -> int:
    return int(header) if header is not None and header.isdigit() else 0
