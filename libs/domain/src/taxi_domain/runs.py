"""What a train, evaluate or observe Job reports: its `runs` document and its exit code."""

from enum import StrEnum
from typing import Final

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
#: The data is not fit for training; a retry with the same data is useless.
EXIT_DATA_QUALITY: Final = 42

#: Environment variable that the operator sets on the Job: the `_id` of the `runs` document.
RUN_ID_VARIABLE: Final = "TAXI_RUN_ID"


class RunResult(StrEnum):
    """Verdict of a run; `Pending` until the Job has decided."""

    PENDING = "Pending"
    BETTER = "Better"
    NOT_BETTER = "NotBetter"
    WORSE_IN_SLICE = "WorseInSlice"
    #: Clients of the champion could not go on with the candidate; a person may promote it.
    SCHEMA_CHANGED = "SchemaChanged"
    TOO_FEW_LABELS = "TooFewLabels"
    DATA_QUALITY_FAILED = "DataQualityFailed"
    #: Of an observation: the version before answers the champion's rows better.
    WORSE = "Worse"
    #: Of an observation: that was not shown.
    NOT_WORSE = "NotWorse"
