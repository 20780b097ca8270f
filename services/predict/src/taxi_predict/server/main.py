"""Process entry: `python -m taxi_predict.server.main`."""

import sys

from taxi_domain.errors import FieldError
from taxi_predict.settings import Settings, prepare_metrics_folder
from taxi_runtime.settings import read


def main() -> int:
    """Serve; return the exit code (2: settings)."""
    try:
        settings = read(Settings)
    except FieldError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    prepare_metrics_folder()
    # prometheus_client reads the folder when it is imported.
    from taxi_domain.logs import set_up
    from taxi_predict.server.gunicorn_app import serve

    set_up()
    serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
