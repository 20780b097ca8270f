"""The streams: which score belongs to which group, and what of it is suspicious."""

from enum import StrEnum
from typing import Final, NamedTuple


class Side(StrEnum):
    """Which order of rows a block is of: as the log stored rows, or as it stored labels."""

    ROWS = "rows"
    LABELS = "labels"


class Group(StrEnum):
    """What a stream tells about; the evidence of a side is the mean of its groups."""

    INPUTS = "inputs"
    FAULTS = "faults"
    OUTPUTS = "outputs"
    ERROR = "error"


class Score(NamedTuple):
    """A kind of score.

    Attributes:
        side: Blocks that it is of.
        group: What it tells about.
        sides: 1 where high scores are suspicious, -1 where low ones are.
        floor: Score up to which nothing is suspicious.
        decides: Whether its evidence counts for the verdict; else it is shown.
    """

    side: Side
    group: Group
    sides: tuple[int, ...] = (1,)
    floor: float = 0.0
    decides: bool = True


_BOTH: Final = (1, -1)
#: A reference had no refused request and no row without event time whatever its clients sent,
#: and labels within limits only; so what is ordinary of these is stated and not calibrated.
_ORDINARY_SHARE: Final = 0.02
_ORDINARY_OUTSIDE: Final = 0.2
#: Fewer rows of a block than that are no fault of the data.
_SMALL_SHARE: Final = 0.004

#: What is smaller than these matters to nobody, however regular the reference was: chi-square over
#: the rows, a value's surplus or lack in units of its noise, a mean place or logarithm.
_SMALL_DISTANCE: Final = 0.01
_SMALL_SURPLUS: Final = 4.0
_SMALL_LACK: Final = 3.0
_SMALL_SHIFT: Final = 0.02
#: Likewise, of the mean loss: this share of the reference's.
SMALL_HARM: Final = 0.05
#: A correction that saves less of the error is worth no alarm.
_SMALL_GAIN: Final = 0.03
#: Columns that may be missing: a reference has labelled rows only, and rows that never get a label
#: are those that lack values (flights that were cancelled have no delay at departure).
NULLABLE_SHARE: Final = 0.05

SCORES: Final = {
    "column": Score(Side.ROWS, Group.INPUTS, floor=_SMALL_DISTANCE),
    "cell": Score(Side.ROWS, Group.INPUTS, floor=_SMALL_SURPLUS),
    "absent": Score(Side.ROWS, Group.INPUTS, floor=_SMALL_LACK),
    "rank": Score(Side.ROWS, Group.INPUTS, _BOTH, _SMALL_SHIFT),
    "conditional": Score(Side.ROWS, Group.INPUTS, _BOTH, _SMALL_SHIFT),
    "scatter": Score(Side.ROWS, Group.INPUTS, floor=_SMALL_SHIFT),
    "multivariate": Score(Side.ROWS, Group.INPUTS, (-1,), _SMALL_SHIFT),
    "nulls": Score(Side.ROWS, Group.FAULTS, floor=_SMALL_SHARE),
    "unseen": Score(Side.ROWS, Group.FAULTS, floor=_SMALL_SHARE),
    "refused": Score(Side.ROWS, Group.FAULTS, floor=_ORDINARY_SHARE),
    "untimed": Score(Side.ROWS, Group.FAULTS, floor=_ORDINARY_SHARE),
    "prediction": Score(Side.ROWS, Group.OUTPUTS, floor=_SMALL_DISTANCE),
    "prediction_rank": Score(Side.ROWS, Group.OUTPUTS, _BOTH, _SMALL_SHIFT),
    "estimated_harm": Score(Side.ROWS, Group.OUTPUTS),
    "harm": Score(Side.LABELS, Group.ERROR),
    "bias": Score(Side.LABELS, Group.ERROR, _BOTH, decides=False),
    "harmful_bias": Score(Side.LABELS, Group.ERROR, _BOTH),
    "gain": Score(Side.LABELS, Group.ERROR, floor=_SMALL_GAIN),
    "labels_outside": Score(Side.LABELS, Group.FAULTS, floor=_ORDINARY_OUTSIDE),
}
#: Begins the names of the streams of missing values.
NULLS: Final = "nulls:"
#: Begins the name of a stream of one slice.
SLICE: Final = "@"


def score_of(stream: str) -> Score:
    """Return the kind of a stream's score.

    >>> score_of("column:distance").group
    <Group.INPUTS: 'inputs'>
    >>> score_of("harm@airport=yes").side
    <Side.LABELS: 'labels'>
    """
    return SCORES[stream.partition(":")[0].partition(SLICE)[0]]


def column_of(stream: str) -> str | None:
    """Return the column of a stream; None where it is of the whole row.

    >>> column_of("column:distance@airport=yes")
    'distance'
    """
    _, colon, rest = stream.partition(":")
    return rest.partition(SLICE)[0] if colon else None
