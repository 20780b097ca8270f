"""What is known of the verdicts, as the page and its JSON take it."""

from dataclasses import dataclass

from taxi_monitor.evidence.view import Views
from taxi_monitor.http.verdict_forms import Newest
from taxi_monitor.page.history import Judging


@dataclass(frozen=True, slots=True)
class JudgedViews:
    """Reads the views of the watched versions; asks nobody.

    Attributes:
        views: Of the thread that judges the log.
    """

    views: Views

    def newest(self, version: str) -> Newest:
        """Return the newest block of each side of a version that has one."""
        view = self.views.of(version)
        return view.verdicts if view else {}

    def judging(self, version: str) -> Judging:
        """Return what is known of a version's verdict beside its blocks."""
        view = self.views.of(version)
        if view is None:
            return Judging("the log was not judged yet")
        return Judging(
            view.problem, view.kind, view.coverage, view.late_rows, view.late_labels,
            None if view.held is None else view.held.needed,
        )  # fmt: skip
