"""Answers the kubelet: by a thread, which says so when the event loop stands still."""

from collections.abc import Callable, Iterable
from typing import Any

from taxi_operator import small_server
from taxi_operator.small_server import READ_SECONDS, SmallServer


def serve(failure: Callable[[], str], port: int, read_seconds: float = READ_SECONDS) -> SmallServer:
    """Answer `GET /healthz`.

    Args:
        failure: Returns why the process has to be started anew, empty when it is well; called by
            several threads.
        port: To listen on; 0 takes a free one.
        read_seconds: How long a client may send nothing; its thread ends then.
    """

    def answer(_: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        said = failure()
        status = "503 Service Unavailable" if said else "200 OK"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{said or 'ok'}\n".encode()]

    return small_server.serve("/healthz", answer, port, read_seconds)
