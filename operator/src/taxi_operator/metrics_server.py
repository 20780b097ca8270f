"""Answers Prometheus."""

from prometheus_client import CollectorRegistry, make_wsgi_app

from taxi_operator import small_server
from taxi_operator.small_server import READ_SECONDS, SmallServer


def serve(
    registry: CollectorRegistry, port: int, read_seconds: float = READ_SECONDS
) -> SmallServer:
    """Answer `GET /metrics`.

    Args:
        registry: What is exported.
        port: To listen on; 0 takes a free one.
        read_seconds: How long a client may send nothing; its thread ends then.
    """
    return small_server.serve("/metrics", make_wsgi_app(registry), port, read_seconds)
