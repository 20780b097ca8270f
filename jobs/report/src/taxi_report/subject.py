"""What a report is about."""

from dataclasses import dataclass

from taxi_domain.reports import report_id
from taxi_report.spans import Span


@dataclass(frozen=True, slots=True)
class Subject:
    """What a report is about; the same subject is the same report.

    Attributes:
        model: Name of the model.
        span: Answer times.
        version: The one version that is wanted, None for all.
    """

    model: str
    span: Span
    version: str | None

    @property
    def id(self) -> str:
        """The report's id."""
        return report_id(self.model, self.span.start, self.span.end, self.version)
