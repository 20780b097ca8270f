"""Threads that read for people: few, and none of those that probes and scrapes wait for."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final, TypeVar

from taxi_runtime.problems import ProblemError
from taxi_runtime.threads import Threads

#: Each may hold a report, or the charts of a page: tens of megabytes.
_THREADS: Final = 2
#: Requests that are read or wait for it; while MongoDB hangs each takes a thread for its time-out.
MAX_WAITING: Final = 8
_RETRY_SECONDS: Final = 5

Result = TypeVar("Result")


class ReportReaders:
    """A few threads with a short queue; used in the serving thread alone.

    Args:
        subject: What they read, for the error when too many ask for it.
    """

    def __init__(self, subject: str = "reports") -> None:
        self._subject = subject
        self._threads = Threads(_THREADS)
        self._waiting = 0

    def run(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns; other connections are served meanwhile.

        Raises:
            ProblemError: too many wait already, or the request's time is over.
        """
        if self._waiting >= MAX_WAITING:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{self._subject}: too many are asked for at once; ask again later",
                retry_after=_RETRY_SECONDS,
            )
        self._waiting += 1
        try:
            return self._threads.run(work)
        finally:
            self._waiting -= 1
