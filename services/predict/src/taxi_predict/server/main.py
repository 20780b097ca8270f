"""Process entry: `python -m taxi_predict.server.main`."""

import sys

from taxi_predict.settings import Settings, prepare_metrics_folder
from taxi_runtime.process import run_service


def run(settings: Settings) -> None:
    """Serve until a signal ends it."""
    # A file that cannot be used is told at once, as the variable is.
    settings.mongodb_address()
    prepare_metrics_folder()
    # prometheus_client reads the folder when it is imported.
    from taxi_predict.server.gunicorn_app import Server

    Server(settings).run()


if __name__ == "__main__":
    sys.exit(run_service(Settings, run))
