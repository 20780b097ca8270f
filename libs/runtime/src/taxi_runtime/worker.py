"""gunicorn's gevent worker, fair between connections, and quick to end."""

import math
from types import TracebackType
from typing import Any, Final, Self

import gevent
from gunicorn.workers.ggevent import GeventWorker

#: A request with its body and its answer has this long, seconds; who did not send the body in
#: time is told so, without a limit.
_REQUEST_SECONDS: Final = 20.0
#: Connections without a request are closed this long after a stop, seconds; the others when
#: their answer has left.
_IDLE_SECONDS: Final = 2.0
#: Connections that are accepted beyond the wanted ones, as a share of these: room for those that
#: come before the ones that wait longest are closed.
_SPARE: Final = 0.25
_LOOK_SECONDS: Final = 0.2


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Answers many connections in one thread: a slow client costs memory, and nobody's time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._most = self.worker_connections
        self.worker_connections += math.ceil(self._most * _SPARE)
        #: Open connections, the one first that has done nothing for the longest time; True for
        #: those that wait for a request.
        self._connections: dict[gevent.Greenlet, bool] = {}

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection until it ends."""
        try:
            super().handle(listener, client, addr)
        finally:
            self._connections.pop(gevent.getcurrent(), None)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        """Answer one request, and let the other connections have their turn.

        A client that is as fast as we are would otherwise be served alone: its next request is
        there before we look.
        """
        self.moved(waits=False)
        deadline = gevent.get_hub().loop.timer(_REQUEST_SECONDS)
        deadline.start(_give_up, req, gevent.getcurrent(), update=True)
        try:
            return super().handle_request(listener_name, req, sock, addr)
        except TimeoutError:
            # Who does not take the answer is no error of ours: the connection is closed.
            raise StopIteration from None
        finally:
            deadline.close()
            gevent.sleep(0)

    def timeout_ctx(self) -> "_Waiting":
        """Return the context in which a connection waits for its next request."""
        return _Waiting(self, self.cfg.keepalive)

    def moved(self, *, waits: bool) -> None:
        """Note that the present connection did something."""
        connection = gevent.getcurrent()
        self._connections.pop(connection, None)
        self._connections[connection] = waits

    def run(self) -> None:
        """Serve until told to stop."""
        gevent.spawn(self._close_connections)
        super().run()

    def _close_connections(self) -> None:
        """Close who does nothing for longest while there are too many, at the end all who wait."""
        while self.alive:
            gevent.sleep(_LOOK_SECONDS)
            excess = max(len(self._connections) - self._most, 0)
            # Who stalls in the middle of a body is no better than who sends nothing at all; a
            # request that is being answered did something just now.
            _close(list(self._connections)[:excess])
        gevent.sleep(_IDLE_SECONDS)
        while True:
            _close([one for one, waits in self._connections.items() if waits])
            gevent.sleep(_LOOK_SECONDS)


class _Waiting:
    """Ends the wait for a request after some time."""

    def __init__(self, worker: Worker, seconds: float) -> None:
        self._worker = worker
        self._timeout = gevent.Timeout(seconds, False)

    def __enter__(self) -> Self:
        self._worker.moved(waits=True)
        self._timeout.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._timeout.cancel()
        return error is self._timeout


def _give_up(request: Any, connection: gevent.Greenlet) -> None:
    """End what a request waits for; its connection is of no use afterwards."""
    request.force_close()
    connection.throw(TimeoutError())


def _close(connections: list[gevent.Greenlet]) -> None:
    for one in connections:
        one.kill(StopIteration, block=False)
