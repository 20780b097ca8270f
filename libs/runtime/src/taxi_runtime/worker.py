"""gunicorn's gevent worker, fair between connections, and quick to end."""

import contextlib
import math
import select
import socket
from types import TracebackType
from typing import Any, Final, Self

import gevent
import gevent.socket
from gunicorn.http.parser import RequestParser
from gunicorn.workers.ggevent import GeventWorker

from taxi_runtime.bodies import Body, MalformedBodyError
from taxi_runtime.headers import BoundedRequest
from taxi_runtime.options import settle
from taxi_runtime.response import send_whole

#: Time limit for a request with its body and its answer, seconds; a body that is late is answered
#: with 408.
REQUEST_SECONDS: Final = 20.0
#: Connections without a request are closed this long after a stop, seconds; the others when
#: their answer has left.
_IDLE_SECONDS: Final = 2.0
#: Connections accepted beyond the limit, as a share of it: room for new ones until the longest idle
#: ones are closed.
_SPARE: Final = 0.25
_LOOK_SECONDS: Final = 0.2
#: One read of a body takes so many bytes at most: they wait in memory that is not
#: accounted for, and gunicorn's parser copies them for each piece that is taken.
_MAX_READ_AHEAD: Final = 64 * 1024
#: A client that sends nonsense has this long to take the answer before the connection is closed.
_LINGER_SECONDS: Final = 1.0


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Answers many connections in one thread: a slow client costs memory, and nobody's time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        RequestParser.mesg_class = BoundedRequest
        send_whole()
        self._most = self.worker_connections
        self.worker_connections += math.ceil(self._most * _SPARE)
        #: Open connections of each listening socket, the one first that has done nothing for the
        #: longest time; True for those that wait for a request. Those of one port are never
        #: closed because there are too many of another one.
        self._connections: dict[Any, dict[gevent.Greenlet, bool]] = {}
        self._sockets: dict[gevent.Greenlet, Any] = {}
        self._listeners: dict[gevent.Greenlet, Any] = {}

    def init_process(self) -> None:
        """Begin in the worker's own process; it ends with the worker."""
        settle(self.cfg)
        super().init_process()

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection until it ends."""
        connection = gevent.getcurrent()
        self._sockets[connection] = client
        self._listeners[connection] = listener
        try:
            super().handle(listener, client, addr)
        finally:
            self._of(connection).pop(connection, None)
            self._sockets.pop(connection, None)
            self._listeners.pop(connection, None)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        """Answer one request, and let the other connections have their turn.

        A client that is as fast as we are would otherwise be served alone: its next request is
        there before we look.
        """
        self.moved(waits=False)
        deadline = gevent.get_hub().loop.timer(REQUEST_SECONDS)
        deadline.start(_give_up, req, gevent.getcurrent(), update=True)
        req.unreader.max_body_chunk = _MAX_READ_AHEAD
        body = req.body = Body(req)
        try:
            goes_on = self._answer(listener_name, req, sock, addr)
            # Many clients read an answer only when they have sent all.
            if not body.failed:
                body.discard()
        except (TimeoutError, MalformedBodyError, _Evicted):
            # A client that does not read the answer is no error here: the connection is closed.
            goes_on = False
        finally:
            deadline.close()
            if body.failed:
                _linger(sock)
            gevent.sleep(0)
        if not goes_on:
            raise StopIteration

    def _answer(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> bool:
        """Let gunicorn answer a request; False closes the connection."""
        try:
            super().handle_request(listener_name, req, sock, addr)
        except StopIteration:
            return False
        return True

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer headers that cannot be read; the connection is closed afterwards."""
        super().handle_error(req, client, addr, exc)
        _linger(client)

    def timeout_ctx(self) -> "_Waiting":
        """Return the context in which a connection waits for its next request."""
        return _Waiting(self, self.cfg.keepalive)

    def moved(self, *, waits: bool) -> None:
        """Note that the present connection did something."""
        connection = gevent.getcurrent()
        connections = self._of(connection)
        connections.pop(connection, None)
        connections[connection] = waits

    def _of(self, connection: gevent.Greenlet) -> dict[gevent.Greenlet, bool]:
        """Return the connections of the same port."""
        return self._connections.setdefault(self._listeners[connection], {})

    def run(self) -> None:
        """Serve until told to stop."""
        gevent.spawn(self._close_connections)
        super().run()

    def _close_connections(self) -> None:
        """Close the longest idle connections while there are too many; at the end all idle ones."""
        while self.alive:
            gevent.sleep(_LOOK_SECONDS)
            for connections in self._connections.values():
                excess = max(len(connections) - self._most, 0)
                # A connection that stalls within a body counts as idle; one that is being
                # answered was active just now.
                for connection, waits in list(connections.items())[:excess]:
                    self._close(connection, waits)
        gevent.sleep(_IDLE_SECONDS)
        while True:
            for connections in self._connections.values():
                for connection, waits in list(connections.items()):
                    if waits:
                        self._close(connection, waits)
            gevent.sleep(_LOOK_SECONDS)

    def _close(self, connection: gevent.Greenlet, waits: bool) -> None:
        """Close a connection: between requests as gunicorn does, within one by an error of ours.

        One whose next request has arrived is left alone: it is answered next, which closes it
        when the worker ends. A busy process may look here before it reads that request.
        """
        if waits and _is_readable(self._sockets[connection]):
            return
        connection.kill(StopIteration if waits else _Evicted, block=False)


class UnpatchedWorker(Worker):
    """Leaves the standard library as it is: for an application with threads of its own.

    A greenlet that computes or waits for a native lock holds all connections up, so what blocks
    is run in `taxi_runtime.threads.Threads`.
    """

    def patch(self) -> None:
        """Make gevent's sockets of the listening ones, and nothing else."""
        self.sockets: list[gevent.socket.socket] = [
            gevent.socket.socket(one.FAMILY, socket.SOCK_STREAM, fileno=one.sock.detach())
            for one in self.sockets
        ]


class _Evicted(BaseException):
    """A connection is closed in the middle of a request; no error that an application catches."""


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


def _linger(sock: Any) -> None:
    """Read on for a moment: closing with unread bytes would take the answer from the client."""
    with gevent.Timeout(_LINGER_SECONDS, False), contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(_MAX_READ_AHEAD):
            pass


def _is_readable(sock: Any) -> bool:
    """Say whether something arrived that nobody has read, without waiting."""
    if sock.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))
