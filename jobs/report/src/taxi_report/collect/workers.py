"""Where partitions are read: processes of this machine, or a Dask cluster.

Both are used as executors of `concurrent.futures`.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import BrokenExecutor, Future
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any, Final, Protocol

from loky import ProcessPoolExecutor

from taxi_domain.errors import NotAvailableError
from taxi_report.collect.partition import Part, Task, part_of
from taxi_report.collect.versions import (
    CODE,
    NONE,
    PACKAGES,
    check,
    code_version,
    part_by,
    versions,
)
from taxi_report.settings import Settings

#: How long a scheduler and its first worker may take to start, at most.
_START_SECONDS: Final = 60.0
_IDLE_SECONDS: Final = 20
#: How long a scheduler may take that has nothing to do but to answer.
_ANSWER_SECONDS: Final = 10
_LOSSES: Final = ("KilledWorker", "FutureCancelledError", "CancelledError", "ClosedClientError")
_NO_WORKERS: Final = "Dask: the scheduler has no workers; start some"


class Workers(Protocol):
    """Runs `part_of` somewhere."""

    #: Tasks that run at the same time.
    size: int

    def submit(self, task: Task) -> "Future[Part]":
        """Begin a task."""

    def is_loss(self, error: BaseException) -> bool:
        """Tell whether an error means that a worker was lost, not that the task is at fault."""

    def absence(self) -> str:
        """Return why no task can run at the moment, empty when workers are there."""

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

    def absence(self) -> str:
        """Return nothing: a pool starts its processes itself."""
        return ""

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
        address: Of the scheduler.
        patience_seconds: How long it is waited for, between 10 seconds and a minute.

    Raises:
        NotAvailableError: the scheduler does not answer, has no workers, or one of the cluster's
            parts has other versions of the packages.
    """

    def __init__(self, address: str, patience_seconds: float) -> None:
        self._address = address
        self._start_seconds = min(max(patience_seconds, _ANSWER_SECONDS), _START_SECONDS)
        self._versions = dict(versions())
        self._connect(self._start_seconds)
        try:
            self._check()
            self.size = max(1, sum(self._client.nthreads().values()))
        except (OSError, TimeoutError) as error:
            self.close()
            raise NotAvailableError(_silence(address, error)) from error
        except BaseException:
            self.close()
            raise

    def submit(self, task: Task) -> "Future[Part]":
        """Begin a task."""
        future: Future[Part] = self._executor.submit(part_by, task, self._versions)
        return future

    def is_loss(self, error: BaseException) -> bool:
        """Tell whether workers died under a task, more often than the scheduler allows.

        A scheduler that went away takes all tasks along.
        """
        return type(error).__name__ in _LOSSES or self._client.status != "running"

    def absence(self) -> str:
        """Ask the scheduler; connect again once the client has given it up."""
        try:
            if self._client.status == "closed":
                self._connect(_ANSWER_SECONDS)
            there = self._client.nthreads(callback_timeout=_ANSWER_SECONDS)
        except NotAvailableError as error:
            return str(error)
        # The client's errors while it connects have no common base.
        except Exception as error:
            return _silence(self._address, error)
        return "" if there else _NO_WORKERS

    def restart(self) -> None:
        """Do nothing: the scheduler's workers are replaced by whoever started them."""

    def close(self) -> None:
        """Let go of the scheduler, whether or not it is there."""
        self._client.close(timeout=_ANSWER_SECONDS)

    def _connect(self, timeout_seconds: float) -> None:
        # ships types for a part only
        client_of: Any = import_module("distributed").Client
        try:
            self._client: Any = client_of(
                self._address, timeout=timeout_seconds, set_as_default=False
            )
        except (OSError, TimeoutError) as error:
            raise NotAvailableError(_silence(self._address, error)) from None
        self._executor = self._client.get_executor(pure=False, retries=0)

    def _check(self) -> None:
        """Compare the versions of all that is there; what comes later is compared by its tasks."""
        client = self._client
        try:
            client.wait_for_workers(1, timeout=self._start_seconds)
        except TimeoutError:
            raise NotAvailableError(_NO_WORKERS) from None
        # Distributed's own comparison only warns, and does not know the project's code.
        known = client.get_versions(packages=list(PACKAGES))
        own = _packages(known["client"])
        check("scheduler", _packages(known["scheduler"]), own)
        for address, one in sorted(known["workers"].items()):
            check(f"worker {address}", _packages(one), own)
        code = {CODE: self._versions[CODE]}
        for address, found in sorted(client.run(code_version, on_error="return").items()):
            # One that went away meanwhile has nothing to compare.
            if not isinstance(found, OSError):
                check(f"worker {address}", {CODE: found if isinstance(found, str) else NONE}, code)


def _packages(found: Mapping[str, Any]) -> dict[str, str]:
    known = found["packages"]
    return {name: known.get(name) or NONE for name in ("python", *PACKAGES)}


def _silence(address: str, error: Exception) -> str:
    reason = f"{error}" or type(error).__name__
    return (
        f"Dask: {address} does not answer ({reason}); start the scheduler, or correct the address"
    )


@contextmanager
def local_workers(size: int) -> Iterator[Workers]:
    """Run processes of this machine."""
    workers = LocalWorkers(size)
    try:
        yield workers
    finally:
        workers.close()


@contextmanager
def dask_workers(address: str, patience_seconds: float) -> Iterator[Workers]:
    """Use a Dask cluster.

    Raises:
        NotAvailableError: the scheduler does not answer, has no workers, or one of the cluster's
            parts has other versions of the packages.
    """
    workers = DaskWorkers(address, patience_seconds)
    try:
        yield workers
    finally:
        workers.close()


def workers_of(settings: Settings) -> AbstractContextManager[Workers]:
    """Open the workers: those of a Dask cluster where an address is given."""
    if settings.dask_address:
        return dask_workers(settings.dask_address, settings.patience_seconds)
    return local_workers(settings.workers)
