"""What metrics tell of batch reports: when one was last made, and what the newest one says."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pymongo.database import Database

from taxi_domain import metrics as catalogue
from taxi_domain.errors import TaxiError
from taxi_domain.metric import Metric
from taxi_domain.reports import DRIFT, NO_DRIFT
from taxi_store.connection import Document
from taxi_store.reports.report_runs import ReportRun, latest_run
from taxi_store.reports.reports import ReportEntry, list_reports

#: MongoDB is asked no more often: reports are made by the hour or the day.
_PAUSE_SECONDS: Final = 15.0
_VERDICTS: Final = {DRIFT: 1.0, NO_DRIFT: 0.0}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KnownReports:
    """What is known; None for what there is not.

    Attributes:
        run: The last run of any kind.
        scheduled: The last run of the schedule.
        newest: The report of the newest span.
    """

    run: ReportRun | None = None
    scheduled: ReportRun | None = None
    newest: ReportEntry | None = None


class ReportWatch:
    """Keeps in mind what the store says of a model's reports.

    While MongoDB is away it still knows what it knew: that is about the past, and stays true.
    """

    def __init__(
        self,
        database: Database[Document],
        model: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self.model = model
        self._clock = clock
        self._next_at = clock()
        self._problem = ""
        self.known = KnownReports()

    def refresh(self) -> None:
        """Ask MongoDB, if that was long enough ago; what fails is logged once."""
        if self._clock() < self._next_at:
            return
        try:
            newest = list_reports(self._database, self.model, 1)
            self.known = KnownReports(
                latest_run(self._database, self.model),
                latest_run(self._database, self.model, scheduled=True),
                newest[0] if newest else None,
            )
            self._problem = ""
        except TaxiError as error:
            self._tell(str(error))
        except Exception as error:
            # This is the thread that follows the log; no document of a report may end it.
            self._tell(f"a defect of the monitor ({error!r})", error)
        # Also after a failure: one that took its time-out must not hold up every evaluation.
        self._next_at = self._clock() + _PAUSE_SECONDS

    def _tell(self, problem: str, defect: Exception | None = None) -> None:
        """Log a problem unless it was the last one too."""
        if self._problem != problem:
            logger.warning("reports are not known", extra={"reason": problem}, exc_info=defect)
        self._problem = problem


class ReportCollector(Collector):
    """Exports what is known; absent is not zero."""

    def __init__(self, watch: ReportWatch) -> None:
        self._watch = watch

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return a family for each value that is known."""
        for metric, value in _values(self._watch.known):
            family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            family.add_metric([self._watch.model], value)
            yield family


def _values(known: KnownReports) -> Iterator[tuple[Metric, float]]:
    run, scheduled, newest = known.run, known.scheduled, known.newest
    # A run that was killed after its report was stored did not say so.
    made = [run.succeeded_at if run else None, newest.created_at if newest else None]
    times = [moment.timestamp() for moment in made if moment is not None]
    if times:
        yield catalogue.REPORT_LAST_SUCCESS, max(times)
    if run is not None and run.failed_at is not None:
        yield catalogue.REPORT_LAST_FAILURE, run.failed_at.timestamp()
    if scheduled is not None and scheduled.succeeded_at is not None:
        yield catalogue.REPORT_LAST_SCHEDULED_SUCCESS, scheduled.succeeded_at.timestamp()
    if scheduled is not None and scheduled.failed_at is not None:
        yield catalogue.REPORT_LAST_SCHEDULED_FAILURE, scheduled.failed_at.timestamp()
    if newest is None:
        return
    yield catalogue.REPORT_DURATION, newest.seconds
    yield catalogue.REPORT_ROWS, float(newest.rows)
    if newest.score is not None:
        yield catalogue.REPORT_SCORE_RATIO, newest.score
    if newest.verdict in _VERDICTS:
        yield catalogue.REPORT_DRIFT, _VERDICTS[newest.verdict]
