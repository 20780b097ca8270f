"""A Flask route that answers a constant, under the predictor's gunicorn settings."""

import sys
from typing import Any

from flask import Flask, Response

from taxi_predict.server.gunicorn_app import Server
from taxi_predict.settings import Settings
from taxi_runtime.settings import read

ANSWER = b'{"ride_id":"0123456789abcdef0123456789abcdef","duration":12.5,"model_version":"abcdef"}'


class Constant(Server):
    """The same server around another application."""

    def load(self) -> Flask:
        """Return the application."""
        app = Flask("constant")

        @app.post("/predict")
        def predict() -> Response:
            return Response(ANSWER, content_type="application/json")

        @app.get("/readyz")
        def readyz() -> Response:
            return Response(b"{}", content_type="application/json")

        return app

    def _worker_exit(self, _server: Any, _worker: Any) -> None:
        """Nothing to end."""


if __name__ == "__main__":
    Constant(read(Settings)).run()
    sys.exit(0)
