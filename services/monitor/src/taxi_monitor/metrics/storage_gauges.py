"""What metrics tell of MongoDB: members, how full the disk is, when it was backed up and kept."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pymongo.database import Database

from taxi_domain import storage_metrics as catalogue
from taxi_domain.errors import TaxiError
from taxi_domain.metric import Metric
from taxi_store.admin.audit import Action, last_done
from taxi_store.admin.members import healthy_members
from taxi_store.admin.storage import Storage, require_answer, storage_of
from taxi_store.admin.upkeep import last_kept
from taxi_store.connection import Document

#: MongoDB is asked no more often: a disk fills within hours.
_PAUSE_SECONDS: Final = 30.0

logger = logging.getLogger(__name__)


class StorageWatch:
    """Keeps in mind what MongoDB says of its disk, and of backups.

    While MongoDB is away nothing is known of its disk; when it was backed up stays true.
    """

    def __init__(
        self, database: Database[Document], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._clock = clock
        self._next_at = clock()
        self._problem = ""
        #: None before it was asked.
        self.up: bool | None = None
        self.storage: Storage | None = None
        self.backed_up_at: float | None = None
        self.kept_at: float | None = None

    @property
    def members(self) -> int | None:
        """How many members of the replica set are healthy now; None before it was asked."""
        if self.up is None:
            return None
        return healthy_members(self._database.client.topology_description)

    def refresh(self) -> None:
        """Ask MongoDB, if that was long enough ago; what fails is logged once."""
        if self._clock() < self._next_at:
            return
        problems: list[str] = []
        self.storage = None
        answered = False
        for ask in (self._answer, self._storage, self._backup, self._upkeep):
            try:
                ask()
                answered = True
            except TaxiError as error:
                problems.append(str(error))
            except Exception as error:
                # This is the thread that follows the log; no answer of a server may end it.
                problems.append(f"a defect of the monitor ({error!r})")
            if not answered:
                break  # one that is away is not waited for three times
        self.up = answered
        problem = "; ".join(problems)
        if problem and problem != self._problem:
            logger.warning("the disk or the backups are not known", extra={"reason": problem})
        self._problem = problem
        # Also after a failure: one that took its time-out must not hold up every evaluation.
        self._next_at = self._clock() + _PAUSE_SECONDS

    def _answer(self) -> None:
        require_answer(self._database)

    def _storage(self) -> None:
        self.storage = storage_of(self._database)

    def _backup(self) -> None:
        done = last_done(self._database, Action.BACKUP)
        self.backed_up_at = None if done is None else done.timestamp()

    def _upkeep(self) -> None:
        kept = last_kept(self._database)
        self.kept_at = None if kept is None else kept.timestamp()


class StorageCollector(Collector):
    """Exports what is known; absent is not zero."""

    def __init__(self, watch: StorageWatch) -> None:
        self._watch = watch

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return a family for each value that is known."""
        for metric, value in self._values():
            if value is not None:
                family = GaugeMetricFamily(metric.name, metric.help)
                family.add_metric([], value)
                yield family

    def _values(self) -> Iterator[tuple[Metric, float | None]]:
        yield catalogue.MONITOR_LAST_BACKUP, self._watch.backed_up_at
        yield catalogue.MONITOR_MONGODB_KEPT, self._watch.kept_at
        if self._watch.up is not None:
            yield catalogue.MONITOR_MONGODB_UP, float(self._watch.up)
        yield catalogue.MONITOR_MONGODB_MEMBERS, self._watch.members
        # The other thread may replace it meanwhile.
        if (storage := self._watch.storage) is not None:
            yield catalogue.MONITOR_DATA_BYTES, storage.data
            yield catalogue.MONITOR_DISK_USED, storage.disk_used
            yield catalogue.MONITOR_DISK_SIZE, storage.disk_size
