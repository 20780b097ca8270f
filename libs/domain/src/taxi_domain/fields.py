"""Fields of a request: each checks its value and tells, as JSON Schema, what it accepts."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from taxi_domain.errors import FieldError

Schema = dict[str, Any]

MAX_ID_LENGTH: Final = 64
_ID: Final = rf"[A-Za-z0-9._-]{{1,{MAX_ID_LENGTH}}}"
_WHOLE_ID: Final = re.compile(_ID)
#: Format of the OpenAPI registry: date and time of day without an offset.
LOCAL_TIME_FORMAT: Final = "date-time-local"


@dataclass(frozen=True, slots=True)
class IntegerField:
    """An integer that must be there, within limits."""

    name: str
    smallest: int
    largest: int
    noun: str
    description: str

    def parse(self, body: Mapping[str, object]) -> int:
        """Return the value, or raise a FieldError."""
        value = body.get(self.name)
        if type(value) is int and self.smallest <= value <= self.largest:
            return value  # nearly always
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # 130.0 is an integer in JSON
        if isinstance(value, bool) or not isinstance(value, int):
            problem = "is missing" if value is None else "is not an integer"
            raise FieldError(self.name, problem, f"send {self.noun}, {self._limits()}")
        if not self.smallest <= value <= self.largest:
            raise FieldError(self.name, f"{value} is not {self.noun}", f"send {self._limits()}")
        return value

    def schema(self) -> Schema:
        """Return the JSON Schema."""
        return {
            "type": "integer", "minimum": self.smallest, "maximum": self.largest,
            "description": self.description,
        }  # fmt: skip

    def _limits(self) -> str:
        return f"{self.smallest} to {self.largest}"


@dataclass(frozen=True, slots=True)
class NumberField:
    """A finite number that must be there, from 0 to a limit."""

    name: str
    largest: float
    unit: str

    def parse(self, body: Mapping[str, object]) -> float:
        """Return the value, or raise a FieldError."""
        value = body.get(self.name)
        if type(value) is float and 0 <= value <= self.largest:
            return value  # nearly always; NaN is in no limits
        if isinstance(value, bool) or not isinstance(value, int | float):
            problem = "is missing" if value is None else "is not a number"
            raise FieldError(self.name, problem, f"send {self.unit} as a number")
        # The comparison comes first: an integer too large for a float would overflow.
        if not 0 <= value <= self.largest or not math.isfinite(value):
            raise FieldError(
                self.name, "is out of its limits", f"send {self.unit} from 0 to {self.largest:g}"
            )
        return float(value)

    def schema(self) -> Schema:
        """Return the JSON Schema."""
        return {
            "type": "number", "minimum": 0, "maximum": self.largest,
            "description": f"{self.unit.capitalize()}.",
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class LocalTimeField:
    """A date and time of New York's clocks; may be absent."""

    name: str
    description: str

    def parse(self, body: Mapping[str, object]) -> datetime | None:
        """Return the naive time, or raise a FieldError."""
        value = body.get(self.name)
        if value is None:
            return None
        if isinstance(value, str):
            try:
                # Local time as TLC writes it; an offset would silently shift the hour.
                moment = datetime.fromisoformat(value)
            except ValueError:
                pass
            else:
                if moment.tzinfo is None:
                    return moment
        raise FieldError(
            self.name, "is not a local date and time", "send New York time as 2021-01-31T08:15:00"
        )

    def schema(self) -> Schema:
        """Return the JSON Schema."""
        return {
            "anyOf": [{"type": "string", "format": LOCAL_TIME_FORMAT}, {"type": "null"}],
            "description": self.description,
        }


@dataclass(frozen=True, slots=True)
class IdField:
    """An id that the client chose; may be absent."""

    name: str
    description: str

    def parse(self, body: Mapping[str, object]) -> str | None:
        """Return the id, or raise a FieldError."""
        value = body.get(self.name)
        return None if value is None else check_id(value, self.name)

    def schema(self) -> Schema:
        """Return the JSON Schema."""
        return {"anyOf": [id_schema(), {"type": "null"}], "description": self.description}


def check_id(value: object, field: str) -> str:
    """Return the id, or raise a FieldError when it is not 1..64 of ``[A-Za-z0-9._-]``."""
    if not isinstance(value, str) or not _WHOLE_ID.fullmatch(value):
        raise FieldError(field, "is not an id", f"send 1 to {MAX_ID_LENGTH} of A-Z a-z 0-9 . _ -")
    return value


def id_schema() -> Schema:
    """Return the JSON Schema of an id."""
    return {"type": "string", "pattern": f"^{_ID}$"}
