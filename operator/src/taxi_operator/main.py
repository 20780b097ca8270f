"""Process entry: `python -m taxi_operator.main`."""

import sys

import kopf

from taxi_domain.errors import FieldError
from taxi_domain.logs import set_up
from taxi_operator.app import register
from taxi_operator.settings import Settings
from taxi_runtime.settings import read


def main() -> int:
    """Run until a signal ends it; return the exit code (2: settings)."""
    try:
        settings = read(Settings)
    except FieldError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    set_up()
    registry = kopf.OperatorRegistry()
    register(registry, settings)
    kopf.run(
        registry=registry,
        standalone=True,
        namespaces=[settings.namespace],
        liveness_endpoint=f"http://0.0.0.0:{settings.health_port}/healthz",
    )
    # kopf returns when the process was asked to end, and when it cannot go on.
    return 0


if __name__ == "__main__":
    sys.exit(main())
