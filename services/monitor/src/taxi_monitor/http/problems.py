"""How the monitor answers its errors."""

from http import HTTPStatus

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from taxi_domain.errors import FieldError
from taxi_runtime.problems import ProblemError


def register(app: Flask) -> None:
    """Let the application answer its errors as problems."""

    @app.errorhandler(ProblemError)
    def on_problem(error: ProblemError) -> Response:
        return error.answer()

    @app.errorhandler(FieldError)
    def on_field(error: FieldError) -> Response:
        return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), field=error.field).answer()

    @app.errorhandler(HTTPException)
    def on_http(error: HTTPException) -> Response:
        return ProblemError.of_framework(error).answer()
