"""Words of batch reports that the report job, the store and the monitor share."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

#: Kind of the documents that are reports, in the collection of these.
REPORT_KIND: Final = "report"
#: Verdicts that say whether there is drift; any other word says why there is no verdict.
DRIFT: Final = "drift"
NO_DRIFT: Final = "no drift"
NO_ROWS: Final = "no rows"
NO_REFERENCE: Final = "no reference"


class RunState(StrEnum):
    """Where the last run of a model's report is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ReportPart(StrEnum):
    """Contents of a report that can be asked for by themselves."""

    JSON = "json"
    HTML = "html"


def report_id(model: str, start: datetime, end: datetime, version: str | None = None) -> str:
    """Return a report's id: the same model, span and version give the same report.

    Args:
        model: Name of the model.
        start: Begin of the span.
        end: Its end.
        version: The one version that the report is about, None for all.

    >>> report_id("m", datetime(2021, 3, 1, tzinfo=UTC), datetime(2021, 3, 2, tzinfo=UTC))
    'm-20210301T000000Z-20210302T000000Z'
    """
    return "-".join([model, _compact(start), _compact(end), *([version] if version else [])])


def _compact(moment: datetime) -> str:
    """Return a time without signs; milliseconds only where there are some."""
    text = moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    milliseconds = moment.microsecond // 1000
    return f"{text}{milliseconds:03d}Z" if milliseconds else f"{text}Z"
