"""HTTP of the predictor: parse, call, answer.

Each row that is asked is counted once: as answered, refused or failed. A request whose rows
cannot be told counts as one.
"""

import collections
import time
from http import HTTPStatus
from typing import Final

import msgspec
from flask import Blueprint, Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from taxi_domain.errors import FieldError
from taxi_domain.metrics import (
    NOT_FINITE,
    PREDICTOR_FAILED,
    PREDICTOR_REFUSED,
    PREDICTOR_REQUEST_DURATION,
    PREDICTOR_REQUESTS,
)
from taxi_predict.http.openapi import TOKEN, document
from taxi_predict.metrics import Metrics
from taxi_predict.serving.buffered_metrics import BufferedMetrics
from taxi_predict.serving.loaded_model import OTHER, LoadedModel, NoAnswerError
from taxi_predict.serving.predictions import NoModelError, Predictions, Refusal
from taxi_predict.settings import ROW_BYTES
from taxi_predict.spool.writer import SpoolFullError
from taxi_runtime.bodies import JSON, Bodies, media_type
from taxi_runtime.callers import Callers
from taxi_runtime.doors import Door, door_of
from taxi_runtime.problems import ProblemError
from taxi_runtime.refused_lines import RefusedLines
from taxi_schema.rows import Row

_RETRY_SECONDS: Final = 5
_BYTES: Final = f"{ROW_BYTES:,} bytes or what the schema needs"
CALLERS: Final = "callers"
_FAILURES: Final = {reason for (reason,) in PREDICTOR_FAILED.series}


def blueprint(
    predictions: Predictions,
    metrics: Metrics,
    buffered: BufferedMetrics,
    bodies: Bodies,
    batch_max_rows: int,
) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("predict", __name__)
    encode = msgspec.json.encode
    refusals = RefusedLines()

    def parsed(model: LoadedModel, body: object) -> Row:
        try:
            return model.parse(body)
        except FieldError as error:
            refusals.tell("row", model.reason_of(error), lambda: _id_of(body, model))
            raise

    @routes.post("/predict")
    @Door(CALLERS, TOKEN, f"a row, {_BYTES} beyond a full batch")
    def predict() -> Response:
        g.uncounted = 1
        body = _decoded(bodies)
        g.model = model = predictions.loaded()
        buffered.asked(body)
        (answer,) = predictions.answer(model, [parsed(model, body)], g.begin, g.caller)
        if answer is None:
            raise NoAnswerError(model.schema.target.name)
        return _json(encode(answer))

    @routes.post("/predict/batch")
    @Door(CALLERS, TOKEN, f"`TAXI_PREDICT_BATCH_MAX_ROWS` rows, as many times {_BYTES}")
    def predict_batch() -> Response:
        g.uncounted = 1
        rows = _batch(_decoded(bodies), batch_max_rows)
        model = predictions.loaded()
        items: list[object] = [None] * len(rows)
        good = {}
        refused: collections.Counter[str] = collections.Counter()
        for index, body in enumerate(rows):
            buffered.asked(body)
            try:
                good[index] = parsed(model, body)
            except FieldError as error:
                refused[model.reason_of(error)] += 1
                items[index] = Refusal(index, error.field, str(error))
        for reason, count in refused.items():
            metrics[PREDICTOR_REFUSED].labels(reason).inc(count)
        # What follows concerns the others alone.
        g.uncounted = len(good)
        answers = predictions.answer(model, list(good.values()), g.begin, g.caller) if good else []
        for index, answer in zip(good, answers, strict=True):
            items[index] = answer or _no_answer(index, model)
        metrics[PREDICTOR_FAILED].labels(NOT_FINITE).inc(answers.count(None))
        return _json(encode(items))

    @routes.get("/v1/model")
    @Door(CALLERS, TOKEN)
    def model() -> Response:
        return _json(encode(predictions.describe(predictions.loaded())))

    @routes.get("/openapi.json")
    @Door(CALLERS, TOKEN)
    def openapi() -> Response:
        return _json(encode(document(predictions.loaded(), batch_max_rows)))

    return routes


def register(app: Flask, metrics: Metrics, callers: Callers | None) -> None:
    """Translate errors, measure requests, and ask for the token of a route's door.

    Args:
        app: Of the predictor.
        metrics: Of this worker.
        callers: Who may ask; None: everybody.
    """

    @app.before_request
    def begin() -> None:
        g.begin = time.perf_counter()
        g.uncounted = 0  # rows that an error of the request refuses or fails
        g.caller = ""
        door = door_of(app, request.endpoint)
        if callers is not None and door is not None and door.token:
            # Its rows are not read, so a post counts as one.
            g.uncounted = int(bool(door.body))
            g.caller = callers.require(request.headers.get("Authorization", ""))
            g.uncounted = 0

    @app.after_request
    def measure(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "other"
        metrics[PREDICTOR_REQUESTS].labels(route, str(response.status_code)).inc()
        metrics[PREDICTOR_REQUEST_DURATION].labels(route).observe(time.perf_counter() - g.begin)
        return response

    def answered(problem: ProblemError) -> Response:
        failed = problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        reason = problem.reason or ("error" if failed else "malformed")
        counter = metrics[PREDICTOR_FAILED] if reason in _FAILURES else metrics[PREDICTOR_REFUSED]
        counter.labels(reason).inc(g.uncounted)
        return problem.answer()

    @app.errorhandler(ProblemError)
    def on_problem(error: ProblemError) -> Response:
        return answered(error)

    @app.errorhandler(FieldError)
    def on_field(error: FieldError) -> Response:
        model: LoadedModel | None = g.get("model")
        return answered(
            ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY, str(error), field=error.field,
                reason=OTHER if model is None else model.reason_of(error),
            )
        )  # fmt: skip

    @app.errorhandler(NoModelError)
    def on_no_model(error: NoModelError) -> Response:
        return answered(
            ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, f"no model yet: {error}", reason="no_model",
                retry_after=_RETRY_SECONDS,
            )
        )  # fmt: skip

    @app.errorhandler(NoAnswerError)
    def on_no_answer(error: NoAnswerError) -> Response:
        return answered(
            ProblemError(
                HTTPStatus.INTERNAL_SERVER_ERROR, str(error), reason=NOT_FINITE,
                field=error.target,
            )
        )  # fmt: skip

    @app.errorhandler(SpoolFullError)
    def on_full(error: SpoolFullError) -> Response:
        return answered(
            ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, str(error), reason="spool_full",
                retry_after=_RETRY_SECONDS,
            )
        )  # fmt: skip

    @app.errorhandler(HTTPException)
    def on_http(error: HTTPException) -> Response:
        return answered(ProblemError.of_framework(error))


def _id_of(body: object, model: LoadedModel) -> object:
    return body.get(model.schema.id) if isinstance(body, dict) else None


def _no_answer(index: int, model: LoadedModel) -> Refusal:
    target = model.schema.target.name
    return Refusal(index, target, str(NoAnswerError(target)), int(HTTPStatus.INTERNAL_SERVER_ERROR))


def _decoded(bodies: Bodies) -> object:
    """Return the decoded body.

    Raises:
        ProblemError: not JSON, not decodable, too large, or too late.
    """
    media_type(request.environ, JSON)
    try:
        with bodies.read(request.environ) as data:
            return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, f"body: is not JSON ({error}); send one JSON value",
            reason="malformed",
        ) from error  # fmt: skip


def _batch(body: object, limit: int) -> list[object]:
    """Return the rows of a batch.

    Raises:
        ProblemError: there is none, or there are too many.
    """
    rows = body.get("rows") if isinstance(body, dict) else body
    if not isinstance(rows, list) or not rows:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "body: is no list of rows; send a list with rows",
            reason="body", field="body",
        )  # fmt: skip
    g.uncounted = len(rows)
    if len(rows) > limit:
        raise ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"body: {len(rows)} rows; send at most {limit} in one batch",
            reason="too_large", field="body",
        )  # fmt: skip
    return rows


def _json(data: bytes) -> Response:
    return Response(data, content_type=JSON)
