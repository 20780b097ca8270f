"""Where partitions are read: processes of this machine, or a Dask cluster.

Both are used as executors of `concurrent.futures`.
"""

from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any, Final, Protocol

from loky import ProcessPoolExecutor

from taxi_domain.errors import NotAvailableError
from taxi_report.collect.partition import Part, Task, part_of

_START_SECONDS: Final = 60
_IDLE_SECONDS: Final = 20


class Workers(Protocol):
    """Runs `part_of` somewhere."""

    #: Tasks that run at the same time.
    size: int

    def submit(self, task: Task) -> "Future[Part]":
        """Begin a task."""

    def is_loss(self, error: BaseException) -> bool:
        """Tell whether an error means that a worker was lost, not that the task is at fault."""

    def restart(self) -> None:
        """Replace workers that were lost."""


class LocalWorkers:
    """Processes of this machine.

    The standard library's pool can wait for ever once one of its processes was killed; loky's
    cannot.

    Args:
        size: Their number.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._pool = _pool(size)

    def submit(self, task: Task) -> "Future[Part]":
        """Begin a task."""
        future: Future[Part] = self._pool.submit(part_of, task)
        return future

    def is_loss(self, error: BaseException) -> bool:
        """Tell whether a process was killed; all tasks of the pool end then."""
        return isinstance(error, BrokenExecutor)

    def restart(self) -> None:
        """Start processes anew."""
        self.close()
        self._pool = _pool(self.size)

    def close(self) -> None:
        """End the processes, whatever they do."""
        self._pool.shutdown(wait=True, kill_workers=True)


def _pool(size: int) -> ProcessPoolExecutor:
    # Processes whose driver was killed have nothing to do any more, and end.
    return ProcessPoolExecutor(size, timeout=_IDLE_SECONDS)


class DaskWorkers:
    """Workers of a Dask cluster, which read the same settings as this process.

    Args:
        client: `distributed.Client`.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._executor = client.get_executor(pure=False, retries=0)
        self.size = max(1, sum(client.nthreads().values()))

    def submit(self, task: Task) -> "Future[Part]":
        """Begin a task."""
        future: Future[Part] = self._executor.submit(part_of, task)
        return future

    def is_loss(self, error: BaseException) -> bool:
        """Tell whether workers died under a task, more often than the scheduler allows."""
        return type(error).__name__ in ("KilledWorker", "FutureCancelledError", "CancelledError")

    def restart(self) -> None:
        """Do nothing: the scheduler's workers are replaced by whoever started them."""


@contextmanager
def local_workers(size: int) -> Iterator[Workers]:
    """Run processes of this machine."""
    workers = LocalWorkers(size)
    try:
        yield workers
    finally:
        workers.close()


@contextmanager
def dask_workers(address: str) -> Iterator[Workers]:
    """Use a Dask cluster.

    Raises:
        NotAvailableError: the scheduler does not answer, has no workers, or these have other
            versions of the packages.
    """
    # ships types for a part only
    client_of: Any = import_module("distributed").Client
    try:
        client = client_of(address, timeout=_START_SECONDS, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise NotAvailableError(f"Dask: {address} does not answer ({error})") from None
    try:
        _check(client)
        yield DaskWorkers(client)
    finally:
        client.close(timeout=_START_SECONDS)


def _check(client: Any) -> None:
    try:
        client.wait_for_workers(1, timeout=_START_SECONDS)
        client.get_versions(check=True)
    except TimeoutError as error:
        raise NotAvailableError("Dask: the scheduler has no workers; start some") from error
    except ValueError as error:
        raise NotAvailableError(
            f"Dask: versions differ; run scheduler and workers from the report's image\n{error}"
        ) from error


def workers_of(address: str, size: int) -> AbstractContextManager[Workers]:
    """Open the workers: those of a Dask cluster where an address is given."""
    return dask_workers(address) if address else local_workers(size)
