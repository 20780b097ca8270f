"""What a train, evaluate or observe Job reports: its `runs` document and its exit code."""

import re
from enum import StrEnum
from typing import Final

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
#: The data is not fit for training; a retry with the same data is useless.
EXIT_DATA_QUALITY: Final = 42

#: Environment variable that the operator sets on the Job: the `_id` of the `runs` document.
RUN_ID_VARIABLE: Final = "TAXI_RUN_ID"

_DECISION: Final = re.compile("[0-9a-f]{8}-[0-9]{4,}(?=-)")


def decision_id(uid: str, number: int) -> str:
    """Return the id of a policy's decision, which the ids of its runs begin with.

    >>> decision_id("0a1b2c3d-0000-0000-0000-000000000000", 7)
    '0a1b2c3d-0007'
    """
    return f"{uid[:8]}-{number:04d}"


def decision_of(run_id: str) -> str:
    """Return the decision that a run is of; empty where a person started it.

    >>> decision_of("0a1b2c3d-0007-observe-1"), decision_of("manual-0123456789ab")
    ('0a1b2c3d-0007', '')
    """
    found = _DECISION.match(run_id)
    return found[0] if found else ""


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
