"""A TCP proxy on loopback that makes a server slow."""

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self


class SlowProxy:
    """Forwards each piece of data after a delay.

    Args:
        port: Of the server on loopback.
        delay_seconds: Before each piece, in both directions; may be changed while it runs.
    """

    def __init__(self, port: int, delay_seconds: float) -> None:
        self._target = port
        self.delay_seconds = delay_seconds
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        """Begin to listen."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take no more connections."""
        # A blocked accept is woken by a shutdown, not by a close.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        """Pass on both ways; both sockets are closed by this thread alone, when neither is read.

        One that another thread closes may be another connection by the time it is read.
        """
        address = ("127.0.0.1", self._target)
        with client, suppress(OSError), socket.create_connection(address) as server:
            back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
            back.start()
            self._pump(client, server)
            back.join()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self.delay_seconds)
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
