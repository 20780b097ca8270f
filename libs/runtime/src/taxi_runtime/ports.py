"""Two ports of one process: what clients ask, and what Prometheus and the kubelet ask.

A network policy, a load balancer or an Ingress lets somebody to a port, not to a path.
"""

from collections.abc import Callable, Iterable
from typing import Any

from taxi_runtime.bodies import Environ

Application = Callable[[Environ, Any], Iterable[bytes]]


def bound_to(host: str, *ports: int) -> list[str]:
    """Return gunicorn's `bind`.

    Args:
        host: An address, or a name.
        ports: The API's first.
    """
    place = f"[{host}]" if ":" in host else host
    return [f"{place}:{port}" for port in ports]


def differ(metrics_port: int, port: int | None) -> int:
    """Return the port of the probes.

    Raises:
        ValueError: it is the API's.
    """
    if metrics_port == port:
        raise ValueError("is the port of the API; give another one")
    return metrics_port


class Ports:
    """WSGI application that answers by the port that a request came in by.

    Args:
        api: Answers clients.
        probes: Answers Prometheus and the kubelet.
        metrics_port: Where it does.
    """

    def __init__(self, api: Application, probes: Application, metrics_port: int) -> None:
        self._api = api
        self._probes = probes
        self._port = str(metrics_port)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        # gunicorn takes it from the listening socket, so no header can change it.
        if environ["SERVER_PORT"] == self._port:
            return self._probes(environ, start_response)
        return self._api(environ, start_response)
