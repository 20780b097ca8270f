"""Process entry: `python -m taxi_operator.main`."""

import sys

import kopf

from taxi_domain.errors import FieldError
from taxi_operator import health_server
from taxi_operator.app import register
from taxi_operator.settings import Settings
from taxi_runtime.process import run_service


def run(settings: Settings) -> None:
    """Run until a signal ends it."""
    registry = kopf.OperatorRegistry()
    # kopf's own server keeps connections that send nothing, however many there are.
    liveness_failure = register(registry, settings)
    try:
        health_server.serve(liveness_failure, settings.health_port)
    except OSError as error:
        raise FieldError(
            "TAXI_OPERATOR_HEALTH_PORT", f"cannot be listened on ({error})", "give another"
        ) from error
    kopf.run(registry=registry, standalone=True, namespaces=[settings.namespace])


if __name__ == "__main__":
    # kopf returns when the process was asked to end, and when it cannot go on.
    sys.exit(run_service(Settings, run))
