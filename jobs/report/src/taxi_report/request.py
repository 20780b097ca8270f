"""What a report is about, and who is told how far it is."""

import time
from collections.abc import Callable
from datetime import datetime

from pymongo.database import Database

from taxi_report.collect.partition import Task
from taxi_report.settings import Settings
from taxi_report.spans import Span
from taxi_report.subject import Subject
from taxi_store.connection import Document
from taxi_store.log.partitions import Partition


class Progress:
    """Told how far a report is; this one tells nobody."""

    def begin(self, partitions: int) -> None:
        """Hear how many partitions there are."""

    def advance(self) -> None:
        """Hear that one is done."""


class Request:
    """A report that is to be made.

    Args:
        subject: What it is about.
        settings: Where everything is.
        database: Log, registry and reports.
        with_html: Whether a page is made.
        now: When the report is made.
    """

    def __init__(
        self,
        subject: Subject,
        settings: Settings,
        database: Database[Document],
        *,
        with_html: bool,
        now: datetime,
    ) -> None:
        self.subject = subject
        self.settings = settings
        self.database = database
        self.with_html = with_html
        self.now = now
        self.id = subject.id
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the request was made."""
        return time.monotonic() - self._began

    def task(self, span: Span) -> Callable[[Partition], Task]:
        """Return what makes tasks of partitions of a span."""
        settings = self.settings
        return lambda partition: Task(
            partition, span.start.timestamp(), span.end.timestamp(), self.subject.version,
            settings.sample_rows, settings.timeout_seconds,
        )  # fmt: skip
