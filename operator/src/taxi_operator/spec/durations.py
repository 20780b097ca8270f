"""Go durations, as Kubernetes users write them."""

import re
from typing import Final

from taxi_domain.errors import FieldError
from taxi_operator.texts import cut

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def seconds_of(text: object, field: str) -> float:
    """Return the seconds of a duration.

    Raises:
        FieldError: it is no duration.

    >>> seconds_of("1h30m", "x")
    5400.0
    """
    if not isinstance(text, str) or not re.fullmatch(rf"(?:{_PART.pattern})+", text):
        raise FieldError(
            field, f"{cut(repr(text), 60)} is no duration", "write it as 30s, 15m or 720h"
        )
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
