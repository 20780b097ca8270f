"""Process entry: `python -m taxi_operator.main`."""

import sys

import kopf

from taxi_operator.app import register
from taxi_operator.settings import Settings
from taxi_runtime.process import run_service


def run(settings: Settings) -> None:
    """Run until a signal ends it."""
    registry = kopf.OperatorRegistry()
    register(registry, settings)
    kopf.run(
        registry=registry,
        standalone=True,
        namespaces=[settings.namespace],
        liveness_endpoint=f"http://0.0.0.0:{settings.health_port}/healthz",
    )


if __name__ == "__main__":
    # kopf returns when the process was asked to end, and when it cannot go on.
    sys.exit(run_service(Settings, run))
