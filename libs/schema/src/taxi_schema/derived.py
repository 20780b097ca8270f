"""Derived features: the three computations that a schema knows."""

from dataclasses import dataclass
from typing import Any, Final

#: What `hour_of` and `weekday_of` name: the event time, whatever requests call it.
EVENT_TIME: Final = "event_time"
#: Joins the parts of a cross of strings; no category holds a control character.
CROSS_SEPARATOR: Final = "\x1f"
#: Decimal digits that fit a 64-bit integer whatever they are.
MAX_CROSS_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Cross:
    """A combination of categories as one category.

    Attributes:
        name: Of the feature.
        columns: Names of its parts, at least two.
        digits: Decimal digits of each part when the cross is an integer; empty when it is a
            string.
    """

    name: str
    columns: tuple[str, ...]
    digits: tuple[int, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the feature as JSON has it."""
        return {"name": self.name, "cross": list(self.columns)}


@dataclass(frozen=True, slots=True)
class HourOf:
    """Hour of the local event time, 0..23."""

    name: str

    def document(self) -> dict[str, Any]:
        """Return the feature as JSON has it."""
        return {"name": self.name, "hour_of": EVENT_TIME}


@dataclass(frozen=True, slots=True)
class WeekdayOf:
    """Day of the week of the local event time, Monday = 0."""

    name: str

    def document(self) -> dict[str, Any]:
        """Return the feature as JSON has it."""
        return {"name": self.name, "weekday_of": EVENT_TIME}


Derived = Cross | HourOf | WeekdayOf
