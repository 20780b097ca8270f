"""A proxy before a server, which ends at a given request: whoever asks cannot be quicker."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_BYTES = 65_536
_SECONDS = 60.0


class _Proxy:
    def __init__(self, port: int, at: bytes, cut: Callable[[], None]) -> None:
        self._port = port
        self._at = at
        self._cut = cut
        self.is_cut = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(_SECONDS)
            with socket.create_connection(("127.0.0.1", self._port), _SECONDS) as server:
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                try:
                    while data := client.recv(_BYTES):
                        if self._at in data and not self.is_cut.is_set():
                            self._cut()
                            self.is_cut.set()
                        server.sendall(data)
                finally:
                    # Closed only when the other thread reads it no more.
                    with suppress(OSError):
                        server.shutdown(socket.SHUT_RDWR)
                    back.join(_SECONDS)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_BYTES):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def cutting_proxy(
    port: int, at: bytes, cut: Callable[[], None]
) -> Iterator[tuple[int, threading.Event]]:
    """Pass on what comes to a port of loopback.

    Args:
        port: Of the server.
        at: Bytes of a request, the first one of which is passed on only behind `cut`.
        cut: Ends the server.

    Yields:
        The proxy's port, and what is set when it has cut.
    """
    proxy = _Proxy(port, at, cut)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy.listener.getsockname()[1], proxy.is_cut
    finally:
        # A blocked accept is woken by a shutdown, not by a close.
        proxy.listener.shutdown(socket.SHUT_RDWR)
        proxy.listener.close()
        thread.join(_SECONDS)
