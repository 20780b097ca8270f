"""Reading documents that came over a wire, with errors that name the field."""

import sys
from collections.abc import Mapping
from datetime import MAXYEAR, MINYEAR, datetime
from math import isfinite
from typing import Final

from taxi_domain.errors import FieldError
from taxi_domain.ids import check_stored_id
from taxi_domain.records import (
    EVENT_TIME,
    INPUTS,
    LABEL_VALUE,
    Label,
    PredictionRecord,
    Shadow,
    utc,
)

_REMEDY: Final = "send the record as the predictor writes it"
_NESTED: Final = (Mapping, list)


class Reader:
    """Takes typed fields out of one decoded document."""

    def __init__(self, document: Mapping[str, object], prefix: str = "") -> None:
        self._document = document
        self._prefix = prefix

    def text(self, name: str) -> str:
        """Return a non-empty string."""
        value = self._document.get(name)
        if not isinstance(value, str) or not value:
            raise self._error(name, "is not a text")
        return value

    def number(self, name: str) -> float:
        """Return a finite number."""
        value = self._document.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(name, "is not a number")
        # JSON has integers that no float can hold.
        if not -sys.float_info.max <= value <= sys.float_info.max:
            raise self._error(name, "is not finite")
        return float(value)

    def number_or_none(self, name: str) -> float | None:
        """Return a finite number, or None where the document has null or nothing."""
        return None if self._document.get(name) is None else self.number(name)

    def time_or_none(self, name: str) -> datetime | None:
        """Return a time (datetime or ISO text), or None."""
        value = self._document.get(name)
        if value is None or isinstance(value, datetime):
            return value
        if isinstance(value, str):
            try:
                return datetime.fromisoformat(value)
            except ValueError:
                pass
        raise self._error(name, "is not a time")

    def time(self, name: str) -> datetime:
        """Return a time as UTC, of a year in which every clock of the world can show it."""
        value = self.time_or_none(name)
        if value is None:
            raise self._error(name, "is missing")
        if not MINYEAR < value.year < MAXYEAR:
            raise self._error(name, "is out of its limits")
        return utc(value)

    def shadows(self) -> tuple[Shadow, ...]:
        """Return the answers of other versions; absent means none."""
        value = self._document.get("shadow") or []
        if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
            raise self._error("shadow", "is not a list of objects")
        readers = [Reader(one, f"{self._prefix}shadow.") for one in value]
        return tuple(Shadow(one.text("model_version"), one.number("prediction")) for one in readers)

    def scalars(self, name: str) -> dict[str, object]:
        """Return an object's scalars by name; what is nested is left out."""
        value = self._document.get(name)
        if not isinstance(value, Mapping):
            raise self._error(name, "is not an object")
        return {key: item for key, item in value.items() if not isinstance(item, _NESTED)}

    def local_time(self, name: str) -> datetime | None:
        """Return a local time without its zone, None where there is none that can be read."""
        try:
            moment = self.time_or_none(name)
        except FieldError:
            return None
        return None if moment is None else moment.replace(tzinfo=None)

    def record(self) -> PredictionRecord:
        """Return the whole document as a prediction record."""
        return PredictionRecord(
            row_id=check_stored_id(self._document.get("_id"), f"{self._prefix}_id"),
            ts=self.time("ts"),
            event_time=self.local_time(EVENT_TIME),
            model=self.text("model"),
            model_version=self.text("model_version"),
            model_role=self.text("model_role"),
            inputs=self.scalars(INPUTS),
            prediction=self.number("prediction"),
            latency_seconds=self.number_or_none("latency_seconds"),
            extra=self.scalars("extra") if self._document.get("extra") else {},
            shadow=self.shadows(),
        )

    def label(self) -> Label:
        """Return the whole document as a stored label."""
        row_id = check_stored_id(self._document.get("_id"), f"{self._prefix}_id")
        return Label(row_id, self.number(LABEL_VALUE), self.time("ts"))

    def _error(self, name: str, problem: str) -> FieldError:
        return FieldError(f"{self._prefix}{name}", problem, _REMEDY)


def record_of(document: Mapping[str, object]) -> PredictionRecord:
    """Read a record back from its document (times as datetimes or ISO strings).

    Raises:
        FieldError: names the field that is missing or mistyped.
    """
    return Reader(document).record()


def stored_label_of(document: Mapping[str, object]) -> Label:
    """Read a label back from its document in the log.

    Raises:
        FieldError: names the field that is missing or mistyped.
    """
    value, ts = document.get(LABEL_VALUE), document.get("ts")
    # As nearly all are, and of all that is read these are the most.
    if (
        type(value) is float
        and isfinite(value)
        and type(ts) is datetime
        and MINYEAR < ts.year < MAXYEAR
    ):
        return Label(check_stored_id(document.get("_id"), "_id"), value, utc(ts))
    return Reader(document).label()
