"""What each step of a report hands on to the next.

Plain objects, no dataclasses: Prefect looks into these, row by row.
"""

from collections.abc import Callable

from taxi_report.collect.partition import Task
from taxi_report.collect.reference import Known
from taxi_report.collect.run import Outcome
from taxi_report.document import Document, VersionFacts
from taxi_report.request import Progress, Request
from taxi_store.reports.reports import ReportContents


class Collected:
    """Where the rows are: tasks of the span and of the span before, and what was never logged."""

    def __init__(self, tasks: list[Task], before: list[Task]) -> None:
        self.tasks = tasks
        self.before = before
        self.refused: int | None = None
        self.unlogged: int | None = None
        self.problems: list[str] = []

    @property
    def partitions(self) -> int:
        """Partitions to read, those of the span before included."""
        return len(self.tasks) + len(self.before)


class Profiled:
    """All rows as profiles."""

    def __init__(self, collected: Collected, current: Outcome, before: Outcome) -> None:
        self.collected = collected
        self.current = current
        self.before = before


class Rendered:
    """What is stored."""

    def __init__(self, document: Document, contents: ReportContents) -> None:
        self.document = document
        self.contents = contents


class Stored(Rendered):
    """A report that was stored."""

    def __init__(self, rendered: Rendered, left_out: list[str]) -> None:
        super().__init__(rendered.document, rendered.contents)
        self.left_out = left_out


#: Makes a report, all its steps.
Runner = Callable[[Request, Progress], Stored]


class Compared:
    """The document, and the facts by version that the page's interactive part is made of."""

    def __init__(
        self, document: Document, versions: list[VersionFacts], known: list[Known]
    ) -> None:
        self.document = document
        self.versions = versions
        self.known = known
