"""Words of batch reports that the report job, the store and the monitor share."""

from enum import StrEnum
from typing import Final

#: Verdicts that say whether there is drift; any other word says why there is no verdict.
DRIFT: Final = "drift"
NO_DRIFT: Final = "no drift"


class RunState(StrEnum):
    """Where the last run of a model's report is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ReportPart(StrEnum):
    """Contents of a report that can be asked for by themselves."""

    JSON = "json"
    HTML = "html"
