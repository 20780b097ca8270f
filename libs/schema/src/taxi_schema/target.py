"""The number that the model predicts, and when its events happen."""

import math
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from taxi_domain.numbers import MAX_NUMBER

DEFAULT_TIMEZONE: Final = "UTC"


@dataclass(frozen=True, slots=True)
class Target:
    """What is predicted; all limits are inclusive, in its unit, None where open.

    Attributes:
        name: Name in answers and labels.
        unit: For texts and metrics.
        description: One sentence for the OpenAPI document.
        minimum: Answers below are raised to it; errors count labels from here on.
        maximum: Answers above are lowered to it; errors count labels up to here.
        label_minimum: Labels below are refused.
        label_maximum: Labels above are refused.
    """

    name: str
    unit: str = ""
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    label_minimum: float | None = None
    label_maximum: float | None = None

    def is_evaluated(self, value: float) -> bool:
        """Tell whether errors count this label.

        A label outside of the limits of answers is stored, but no answer could reach it: a few
        of them would outweigh all others.

        >>> taxi = Target("duration", minimum=1.0, maximum=60.0, label_maximum=1440.0)
        >>> taxi.is_evaluated(60.0), taxi.is_evaluated(611.5)
        (True, False)
        """
        return (
            abs(value) <= MAX_NUMBER  # not so when it is no number
            and (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
        )

    def clip(self, answer: float) -> float:
        """Return the answer within the limits; what is not finite stays as it is.

        >>> Target("duration", minimum=1.0).clip(-3.0)
        1.0
        """
        if not math.isfinite(answer):
            return answer
        if self.minimum is not None and answer < self.minimum:
            return self.minimum
        if self.maximum is not None and answer > self.maximum:
            return self.maximum
        return answer

    def document(self) -> dict[str, Any]:
        """Return the target as JSON has it, without defaults."""
        optional: dict[str, tuple[object, object]] = {
            "unit": (self.unit, ""),
            "description": (self.description, ""),
            "minimum": (self.minimum, None),
            "maximum": (self.maximum, None),
            "label_minimum": (self.label_minimum, self.minimum),
            "label_maximum": (self.label_maximum, self.maximum),
        }
        return {
            "name": self.name,
            **{key: value for key, (value, default) in optional.items() if value != default},
        }


@dataclass(frozen=True, slots=True)
class EventTime:
    """The time of what a row describes; a request may leave it out.

    Attributes:
        name: Name in requests.
        timezone: Key of the IANA database; times of rows are local times of it.
        description: One sentence for the OpenAPI document.
    """

    name: str
    timezone: str = DEFAULT_TIMEZONE
    description: str = ""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)

    @property
    def place(self) -> str:
        """Short name of the zone for texts.

        >>> EventTime("start", "America/New_York").place
        'New York'
        """
        return self.timezone.rpartition("/")[2].replace("_", " ")

    def document(self) -> dict[str, Any]:
        """Return the event time as JSON has it, without defaults."""
        optional = {
            "timezone": (self.timezone, DEFAULT_TIMEZONE),
            "description": (self.description, ""),
        }
        return {
            "name": self.name,
            **{key: value for key, (value, default) in optional.items() if value != default},
        }
