"""Words of the verdict's history that the monitor, the store and the page share."""

from enum import StrEnum


class Side(StrEnum):
    """What a block is made of: answered rows as they were stored, or labels as they were."""

    ROWS = "rows"
    LABELS = "labels"


class BlockState(StrEnum):
    """What the evidence said after a block."""

    OK = "ok"
    SUSPECTED = "suspected"
    ALARM = "alarm"
    #: The reference is too short for blocks of this size, so nothing was decided.
    SHORT = "short"


def verdict_id(model: str, version: str, side: Side, block: int) -> str:
    """Return the id of a block's verdict: the same block has the same one, whoever judged it.

    >>> verdict_id("taxi-duration", "389859bb42d2", Side.ROWS, 7)
    'taxi-duration/389859bb42d2/rows/7'
    """
    return f"{model}/{version}/{side}/{block}"
