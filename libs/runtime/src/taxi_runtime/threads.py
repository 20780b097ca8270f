"""Native threads for what blocks, under a worker that answers all connections in one thread."""

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from http import HTTPStatus
from typing import Final, TypeVar

from gevent.threadpool import ThreadPool

from taxi_runtime.problems import ProblemError

_RETRY_SECONDS: Final = 5

Result = TypeVar("Result")


class Threads:
    """A bounded thread pool; a call waits for a free thread for as long as a request may take.

    Made after the fork, in the thread that serves. Only with `UnpatchedWorker`: the patched
    standard library has no native locks for such threads.

    Args:
        most: How many there are.
    """

    def __init__(self, most: int) -> None:
        self._pool = ThreadPool(most)

    def run(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns; other connections are served meanwhile.

        Context variables are the caller's; what a request needs of Flask's contexts is passed to
        `work`: threads do not have them.

        Raises:
            ProblemError: the request's time is over; `work` may still be done.
        """
        future: Future[Result] = Future()
        context = copy_context()

        def do() -> None:
            try:
                future.set_result(context.run(work))
            except Exception as error:
                # Raised in the caller; gevent's pool would print it too.
                future.set_exception(error)

        try:
            self._pool.apply(do)
        except TimeoutError as error:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, "server: is busy; send the request again",
                retry_after=_RETRY_SECONDS,
            ) from error  # fmt: skip
        return future.result()
