"""Labels of a file, checked as the monitor checks what is posted."""

import math
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from taxi_domain.errors import FieldError
from taxi_domain.records import Label
from taxi_files.ids import ids_of
from taxi_files.pieces import Piece, Wanted
from taxi_files.reading import FileRows, of_table
from taxi_schema.columns.limits import Refused
from taxi_schema.fitting import Reason
from taxi_schema.labels import LabelParser
from taxi_schema.schema import Schema
from taxi_schema.target import EventTime, Target

_REMEDY: Final = "give timestamps, or ISO 8601 texts; without an offset they are UTC"
#: The parser tells what these are.
_STAND_INS: Final[dict[Reason, object]] = {Reason.TYPE: "", Reason.LIMITS: math.inf}


@dataclass(frozen=True, slots=True)
class Names:
    """Columns of a file: id, label, and when the label came to be known, if it has that."""

    id: str
    label: str
    at: str | None = None


class LabelReader:
    """Reads pieces of files.

    Args:
        names: Of the columns.
        schema: Its target says which labels are refused.
    """

    def __init__(self, names: Names, schema: Schema) -> None:
        self._names = names
        target = replace(schema.target, name=names.label)
        self._parser = LabelParser(replace(schema, id=names.id, target=target))
        # What the file is read by: of all columns only label and time matter.
        time = None if names.at is None else EventTime(names.at)
        self._columns = Schema(Target(names.label), (), event_time=time)
        #: What a file has to have.
        required = (names.id, names.label, *(() if names.at is None else (names.at,)))
        self.wanted = Wanted(required)

    def read(self, piece: Piece, now: datetime) -> tuple[list[Label], Counter[str]]:
        """Return the labels of a piece, and how many rows were refused, by reason.

        Args:
            piece: Of a file.
            now: When labels came to be known whose file does not tell.

        Raises:
            DataFileError: a column has a type that nothing can be read from.
        """
        rows = of_table(self._columns, piece.table, piece.path)
        ids = ids_of(piece.table, self._names.id, piece.path)
        values = _values(rows, self._names.label)
        times: list[datetime | str] = [now] * len(values)
        if self._names.at is not None:
            times = _times(rows, self._names.at)
        labels: list[Label] = []
        refused: Counter[str] = Counter()
        for row_id, value, ts in zip(ids, values, times, strict=True):
            try:
                labels.append(self._label(row_id, value, ts))
            except FieldError as error:
                refused[str(error)] += 1
        return labels, refused

    def _label(self, row_id: str | None, value: object, ts: datetime | str) -> Label:
        parsed = self._parser.parse({self._names.id: row_id, self._names.label: value})
        if isinstance(ts, str):
            raise FieldError(str(self._names.at), ts, _REMEDY)
        return Label(parsed.id, parsed.value, ts)


def _values(rows: FileRows, name: str) -> list[Any]:
    """Return labels, None where missing, and what the parser refuses where they are none."""
    values = [None if math.isnan(value) else value for value in rows.target.tolist()]
    for reason, stand_in in _STAND_INS.items():
        for place in np.flatnonzero(rows.problems.get(Refused(name, reason), [])):
            values[place] = stand_in
    return values


def _times(rows: FileRows, name: str) -> list[datetime | str]:
    """Return times, UTC; the problem in place of one that cannot be read."""
    unreadable = rows.problems.get(Refused(name, Reason.TYPE), np.zeros(len(rows.target), np.bool_))
    times: list[datetime | str] = []
    for moment, bad in zip(rows.event_times.tolist(), unreadable.tolist(), strict=True):
        # Readers of labels refuse the first and the last year, in which not every zone has a time.
        if bad or (moment is not None and not 1 < moment.year < 9999):
            times.append("is not a time")
        else:
            times.append("is missing" if moment is None else moment.replace(tzinfo=UTC))
    return times
