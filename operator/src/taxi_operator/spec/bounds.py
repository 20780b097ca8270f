"""Least and most of what a policy may ask for; the resource's schema has the same.

A test holds both to each other. The schema refuses at `kubectl apply`; this is for objects that
an older schema let through, and for a cluster whose schema is older than the operator.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from taxi_domain.errors import FieldError
from taxi_operator.spec.durations import seconds_of

#: Durations by their path below `spec`, lists left out.
DURATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "signals.enter.for": ("0s", "168h"),
    "signals.exit.for": ("0s", "168h"),
    "retrain.attempts.initialBackoff": ("1s", "24h"),
    "retrain.attempts.maxBackoff": ("1s", "24h"),
    "retrain.pauseAfter.success": ("0s", "720h"),
    "retrain.pauseAfter.failure": ("0s", "720h"),
    "gate.maxVerdictAge": ("1h", "720h"),
    "observation.for": ("1s", "168h"),
    "fallback.minDwell": ("0s", "24h"),
}
NUMBERS: Final[Mapping[str, tuple[int, int]]] = {
    "prometheus.timeoutSeconds": (1, 30),
    "evaluation.intervalSeconds": (2, 3600),
    "evaluation.settleSeconds": (0, 3600),
    "signals.maxAgeSeconds": (1, 86_400),
    "signals.minSamples.value": (1, 999_999_999),
    "retrain.activeDeadlineSeconds": (30, 86_400),
    "retrain.attempts.max": (1, 10),
    "retrain.attempts.factor": (1, 10),
    "retrain.maxPerDay": (1, 400),
    "gate.champion.minLabelledRows": (100, 50_000),
    "observation.minLabelledRows": (100, 50_000),
    "fallback.minReady": (1, 100),
}
#: Decimal texts, as the train Job takes them.
SHARES: Final[Mapping[str, tuple[float, float]]] = {
    "gate.champion.minRelativeGain": (0.0, 1.0),
    "gate.champion.confidence": (0.5, 0.999),
    "observation.confidence": (0.5, 0.999),
}
MAX_SIGNALS: Final = 16
MAX_QUERY: Final = 2000
_DECIMAL: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,16})?")


def duration(group: Mapping[str, Any], path: str, default: str, field: str = "") -> float:
    """Return the seconds of a duration.

    Args:
        group: What holds the field.
        path: Its path below `spec`; the last part is its name in `group`.
        default: For a field that is not there.
        field: Path as the user knows it, where it differs.

    Raises:
        FieldError: it is no duration, or out of bounds.
    """
    field = field or f"spec.{path}"
    text = group.get(path.rsplit(".", 1)[1], default)
    seconds = seconds_of(text, field)
    least, most = DURATIONS[path]
    if not seconds_of(least, field) <= seconds <= seconds_of(most, field):
        raise FieldError(field, f"{text[:40]} is out of bounds", f"give {least} to {most}")
    return seconds


def number(group: Mapping[str, Any], path: str, default: int, field: str = "") -> int:
    """Return a whole number.

    Raises:
        FieldError: it is none, or out of bounds.
    """
    field = field or f"spec.{path}"
    found = group.get(path.rsplit(".", 1)[1], default)
    least, most = NUMBERS[path]
    if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
        raise FieldError(field, "is out of bounds", f"give a whole number of {least} to {most}")
    return found


def share(group: Mapping[str, Any], path: str, default: str) -> str:
    """Return a decimal number as its text.

    Raises:
        FieldError: it is none, or out of bounds.
    """
    text = str(group.get(path.rsplit(".", 1)[1], default))
    least, most = SHARES[path]
    if not _DECIMAL.fullmatch(text) or not least <= float(text) <= most:
        raise FieldError(f"spec.{path}", "is out of bounds", f"give {least} to {most}")
    return text


def query(group: Mapping[str, Any], name: str, field: str, *, optional: bool = False) -> str:
    """Return a PromQL query.

    Raises:
        FieldError: it is none, or too long.
    """
    found = group.get(name, "") if optional else group[name]
    if not isinstance(found, str) or len(found) > MAX_QUERY or not (optional or found.strip()):
        raise FieldError(
            f"{field}.{name}", "is no query that can be asked",
            f"give PromQL of at most {MAX_QUERY} characters; a recording rule has room for more",
        )  # fmt: skip
    return found
