"""Keys of streams in words: `<score>` or `<score>:<column>`, with `@<slice>=<group>` at the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

INPUTS: Final = "inputs"
FAULTS: Final = "faults"
OUTPUTS: Final = "outputs"
ERROR: Final = "error"

#: Groups of streams as people read them, in the order of the page.
GROUPS: Final[Mapping[str, str]] = {
    INPUTS: "Inputs", FAULTS: "Data faults", OUTPUTS: "Answers", ERROR: "Error",
}  # fmt: skip

#: Scores as people read them; `{}` is the column.
_SCORES: Final[Mapping[str, str]] = {
    "column": "distribution of {}",
    "cell": "one value of {}",
    "absent": "a value of {} that went missing",
    "rank": "whether {} is higher or lower",
    "conditional": "{} given the other columns",
    "scatter": "how far {} is from what the other columns say",
    "multivariate": "how the inputs go together",
    "nulls": "missing values of {}",
    "unseen": "categories of {} that training never had",
    "refused": "requests refused because of {}",
    "untimed": "rows without an event time",
    "labels_outside": "labels outside of the target's limits",
    "prediction": "distribution of the answers",
    "prediction_rank": "whether answers are higher or lower",
    "estimated_harm": "error as estimated without labels",
    "harm": "error",
    "bias": "bias of the answers",
    "harmful_bias": "bias of the answers while their error is larger",
    "gain": "error that a recalibration would have saved",
}


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream's key, parted.

    Attributes:
        key: The whole key.
        score: Name of the score.
        column: The column that is scored, empty where it is none.
        part: `slice=group` of the rows, empty where it is all of them.
    """

    key: str
    score: str
    column: str
    part: str

    @property
    def text(self) -> str:
        """What it measures.

        >>> stream_of("nulls:weight@airport=yes").text
        'missing values of weight, in airport=yes'
        """
        known = _SCORES.get(self.score)
        if known is None or ("{}" in known and not self.column):
            text = self.score if not self.column else f"{self.score} of {self.column}"
        else:
            text = known.replace("{}", self.column)
        return f"{text}, in {self.part}" if self.part else text


def stream_of(key: str) -> Stream:
    """Part a key.

    >>> stream_of("column:a@b@hours=6-10").column, stream_of("harm@x=y").part
    ('a@b', 'x=y')
    """
    whole, at, part = key.rpartition("@")
    if not at or "=" not in part:
        whole, part = key, ""
    score, _, column = whole.partition(":")
    return Stream(key, score, column, part)
