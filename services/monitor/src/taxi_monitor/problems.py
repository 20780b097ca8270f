"""Errors as `application/problem+json` (RFC 9457): they name the field and the remedy."""

from http import HTTPStatus

import msgspec
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from taxi_domain.errors import FieldError


class ProblemError(Exception):
    """An answer that is an error; `retry_after` in seconds where a repeat can work."""

    def __init__(
        self, status: HTTPStatus, detail: str, *, field: str = "", retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field
        self.retry_after = retry_after


def register(app: Flask) -> None:
    """Let the application answer its errors as problems."""

    @app.errorhandler(ProblemError)
    def on_problem(error: ProblemError) -> Response:
        return _answer(error)

    @app.errorhandler(FieldError)
    def on_field(error: FieldError) -> Response:
        return _answer(ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), field=error.field))

    @app.errorhandler(HTTPException)
    def on_http(error: HTTPException) -> Response:
        status = HTTPStatus(error.code or 500)
        return _answer(ProblemError(status, error.description or status.phrase))


def _answer(problem: ProblemError) -> Response:
    body: dict[str, object] = {
        "type": "about:blank", "title": problem.status.phrase, "status": int(problem.status),
        "detail": problem.detail,
    }  # fmt: skip
    if problem.field:
        body["field"] = problem.field
    response = Response(
        msgspec.json.encode(body), status=int(problem.status),
        content_type="application/problem+json",
    )  # fmt: skip
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    return response
