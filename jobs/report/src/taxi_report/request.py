"""What a report is about, and who is told how far it is."""

import time
from collections.abc import Callable
from datetime import datetime

from pymongo.database import Database

from taxi_domain.reports import report_id
from taxi_report.collect.partition import Task
from taxi_report.settings import Settings
from taxi_report.spans import Span
from taxi_store.connection import Document
from taxi_store.log.partitions import Partition


class Progress:
    """Told how far a report is; this one tells nobody."""

    def begin(self, partitions: int) -> None:
        """Hear how many partitions there are."""

    def advance(self) -> None:
        """Hear that one is done."""


class Request:
    """What a report is about.

    Args:
        span: Answer times.
        version: The one version that is wanted, None for all.
        settings: Where everything is.
        database: Log, registry and reports.
        with_html: Whether a page is made.
        now: When the report is made.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        span: Span,
        version: str | None,
        settings: Settings,
        database: Database[Document],
        *,
        with_html: bool,
        now: datetime,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.span = span
        self.version = version
        self.settings = settings
        self.database = database
        self.with_html = with_html
        self.now = now
        self.clock = clock
        self.began = clock()
        self.id = report_id(settings.model, span.start, span.end, version)

    def task(self, span: Span) -> Callable[[Partition], Task]:
        """Return what makes tasks of partitions of a span."""
        settings = self.settings
        return lambda partition: Task(
            partition, span.start.timestamp(), span.end.timestamp(), self.version,
            settings.sample_rows, settings.timeout_seconds,
        )  # fmt: skip
