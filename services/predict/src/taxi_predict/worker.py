"""gunicorn's gevent worker, fair between connections and quick to end."""

from types import TracebackType
from typing import Any, Final, Self

import gevent
from gunicorn.workers.ggevent import GeventWorker

#: A client that sends a body has this long for each piece of it, seconds.
_READ_SECONDS: Final = 10.0
#: Connections without a request are closed this long after a stop, seconds; the others when
#: their answer has left.
_IDLE_SECONDS: Final = 2.0


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Answers many connections in one thread: a slow client costs memory, and nobody's time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: set[gevent.Greenlet] = set()

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        """Answer one request, and let the other connections have their turn.

        A client that is as fast as we are would otherwise be served alone: its next request is
        there before we look.
        """
        sock.settimeout(_READ_SECONDS)
        try:
            return super().handle_request(listener_name, req, sock, addr)
        except TimeoutError:
            # Who stalls in the middle of a body is no error of ours: the connection is closed.
            raise StopIteration from None
        finally:
            sock.settimeout(None)
            gevent.sleep(0)

    def timeout_ctx(self) -> "_Waiting":
        """Return the context in which a connection waits for its next request."""
        return _Waiting(self._idle, self.cfg.keepalive)

    def run(self) -> None:
        """Serve until told to stop."""
        gevent.spawn(self._close_idle)
        super().run()

    def _close_idle(self) -> None:
        while self.alive:
            gevent.sleep(0.2)
        gevent.sleep(_IDLE_SECONDS)
        while True:
            for connection in list(self._idle):
                connection.kill(StopIteration, block=False)
            gevent.sleep(0.2)


class _Waiting:
    """Ends the wait after some time, and knows who waits."""

    def __init__(self, idle: set[gevent.Greenlet], seconds: float) -> None:
        self._idle = idle
        self._timeout = gevent.Timeout(seconds, False)

    def __enter__(self) -> Self:
        self._idle.add(gevent.getcurrent())
        self._timeout.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._timeout.cancel()
        self._idle.discard(gevent.getcurrent())
        return error is self._timeout
