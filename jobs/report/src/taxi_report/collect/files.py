"""Rows of files as the columns of a report, piece by piece, and what was seen on the way."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taxi_domain.errors import FieldError
from taxi_files.ids import DoubledIds, ids_of
from taxi_files.pieces import Piece, Wanted, files_of, pieces_of, row_count
from taxi_files.reading import DataFileError, FileRows, numbers_of, of_table, read_names
from taxi_profiles.reference import PREDICTION
from taxi_schema.columns.arrays import is_missing, scan
from taxi_schema.columns.limits import Refused
from taxi_schema.columns.rows import LabelledRows, of_columns
from taxi_schema.fitting import Reason
from taxi_schema.schema import Schema

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Source:
    """Rows in files.

    Attributes:
        paths: Files, and folders of them.
        schema: That they are read by.
        prediction: Column of the predictions, where a file has it.
    """

    paths: tuple[Path, ...]
    schema: Schema
    prediction: str = PREDICTION

    def __post_init__(self) -> None:
        """Refuse a column of predictions that is another one already."""
        schema = self.schema
        time = schema.event_time
        taken = {schema.id, schema.target.name, *(column.name for column in schema.columns)}
        if self.prediction in taken or (time is not None and self.prediction == time.name):
            raise FieldError(
                "--prediction-column", f"{self.prediction} is another column of the schema",
                "name the column that has the model's answers",
            )  # fmt: skip

    @property
    def files(self) -> list[Path]:
        """The files, in order.

        Raises:
            DataFileError: a path is not there, or a folder has no file of rows.
        """
        return files_of(self.paths)

    @property
    def wanted(self) -> Wanted:
        """Columns that are read where a file has them."""
        schema = self.schema
        time = () if schema.event_time is None else (schema.event_time.name,)
        columns = (column.name for column in schema.columns)
        return Wanted((), (*columns, schema.id, *time, schema.target.name, self.prediction))


@dataclass(frozen=True, slots=True)
class Read:
    """Rows of a piece that a request could send; each of length n.

    Attributes:
        ids: Of the rows; a row without one is called after its place.
        rows: The rows, in the order of the file.
    """

    ids: list[str]
    rows: LabelledRows


class Seen:
    """What was seen of files, whatever became of the rows.

    Attributes:
        files: Their number.
        rows: All rows.
        refused: Rows that a request could not send, by column and reason.
        refused_rows: Their number.
        nulls: Rows without a value, by column; where a file has no such column all of its rows.
        timed: Rows with an event time.
        absent: By column, in how many files and rows it cannot be read, and why, of the first.
        ids: Ids that came before.
        without_id: Rows without one.
    """

    def __init__(self, schema: Schema) -> None:
        self.files = 0
        self.rows = 0
        self.refused: dict[Refused, int] = {}
        self.refused_rows = 0
        self.nulls = {column.name: 0 for column in schema.columns}
        self.timed = 0
        self.absent: dict[str, tuple[int, int, str]] = {}
        self.ids = DoubledIds()
        self.without_id = 0

    def problems(self) -> list[str]:
        """Return a sentence for each column that cannot be read."""
        return [
            f"{name}: cannot be read in {files} of {self.files} files ({rows:,} rows): {reason}"
            for name, (files, rows, reason) in self.absent.items()
        ]


def read_pieces(source: Source, seen: Seen) -> Iterator[Read]:
    """Yield the rows of all files in pieces of bounded size.

    A column that a file does not have is missing in all of its rows, which are read by their other
    columns: they are among the refused when it may not be missing.

    Raises:
        DataFileError: a file cannot be read to its end, or has no column of the schema.
    """
    for path in source.files:
        seen.files += 1
        names: frozenset[str] | None = None
        for piece in pieces_of(path, source.wanted):
            if names is None:
                names = _readable(source, piece, seen)
            yield _read(source, piece, names, seen)


def _readable(source: Source, piece: Piece, seen: Seen) -> frozenset[str]:
    """Return the columns of a file that values can be read from; note the others."""
    there = set(piece.table.column_names)
    columns = [column.name for column in source.schema.columns]
    if not there & set(columns):
        raise DataFileError(
            f"{piece.path}: has no column of the schema ({', '.join(columns[:10])}); name another "
            "file, or another schema"
        )
    for name in sorted(there):
        try:
            _of_column(source, piece.table.select([name]), piece.path)
        except DataFileError as error:
            there.remove(name)
            _note(seen, name, str(error))
    time = source.schema.event_time
    named = () if source.prediction == PREDICTION else (source.prediction,)
    timed = () if time is None else (time.name,)
    for name in (*columns, *timed, *named):
        if name not in piece.table.column_names:
            _note(seen, name, f"{piece.path} has no such column, or more than one")
    return frozenset(there)


def _of_column(source: Source, table: pa.Table, path: Path) -> None:
    (name,) = table.column_names
    if name == source.schema.id:
        ids_of(table.slice(0, 0), name, path)
    elif name == source.prediction:
        numbers_of(table.slice(0, 0), name, path)
    else:
        of_table(source.schema, table.slice(0, 0), path)


def _note(seen: Seen, name: str, reason: str) -> None:
    files, rows, first = seen.absent.get(name, (0, 0, reason))
    seen.absent[name] = files + 1, rows, first


def _read(source: Source, piece: Piece, names: frozenset[str], seen: Seen) -> Read:
    schema = source.schema
    table = piece.table.select([name for name in piece.table.column_names if name in names])
    ids = ids_of(table, schema.id, piece.path)
    seen.ids.add(ids)
    seen.without_id += ids.count(None)
    file = of_table(schema, table, piece.path)
    rows = of_columns(schema, file.columns, file.event_times, file.target)
    prediction, unreadable = (
        numbers_of(table, source.prediction, piece.path)
        if source.prediction in names
        else (rows.prediction, {})
    )
    rows = rows.predicted(prediction)
    kept = _counted(schema, file, rows, seen)
    for reason, mask in unreadable.items():
        _add(seen, Refused(source.prediction, reason), mask)
    for name, (files, count, first) in seen.absent.items():
        if name not in names:
            seen.absent[name] = files, count + len(rows), first
    named = [
        f"{piece.path.name}:{piece.first + place}" if row_id is None else row_id
        for place, row_id in enumerate(ids)
    ]
    if kept.all():
        return Read(named, rows)
    return Read([row_id for row_id, keep in zip(named, kept, strict=True) if keep], rows[kept])


def _counted(schema: Schema, file: FileRows, rows: LabelledRows, seen: Seen) -> Mask:
    """Count what is missing or refused; return which rows stay."""
    count = len(rows)
    seen.rows += count
    seen.timed += int((~np.isnat(rows.event_times)).sum())
    for column in schema.columns:
        values, problems = scan(column, file.columns.get(column.name), count)
        missing = is_missing(column, values)
        for mask in problems.values():
            missing &= ~mask
        seen.nulls[column.name] += int(missing.sum())
    refused, left_out = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    for why, mask in file.refusals(schema).items():
        _add(seen, why, mask)
        if why.column == schema.target.name:
            continue  # a request has no label
        refused |= mask
        # What the whole file lacks says nothing about a row.
        if why.reason is not Reason.MISSING or why.column in file.columns:
            left_out |= mask
    seen.refused_rows += int(refused.sum())
    return ~left_out


def _add(seen: Seen, why: Refused, mask: Mask) -> None:
    if mask.any():
        seen.refused[why] = seen.refused.get(why, 0) + int(mask.sum())


def event_days(source: Source) -> dict[int, int]:
    """Return how many rows each day of the events has, by days since 1970-01-01, ascending.

    Raises:
        DataFileError: a file cannot be read to its end.
    """
    found: Counter[int] = Counter()
    for times in _event_times(source):
        found.update(times.astype("M8[D]").astype(np.int64).tolist())
    return dict(sorted(found.items()))


def first_moment(source: Source) -> float | None:
    """Return the local event time of the first row that has one; None when no row has.

    Seconds since 1970-01-01 00:00 local.

    Raises:
        DataFileError: a file cannot be read to its end.
    """
    first = next((times[0] for times in _event_times(source) if len(times)), None)
    return None if first is None else first.astype("M8[us]").astype(np.int64) / 1e6


def _event_times(source: Source) -> Iterator[NDArray[np.datetime64]]:
    """Yield the local event times of the rows that have one, piece by piece."""
    time = source.schema.event_time
    if time is None:
        return
    for path in source.files:
        for piece in pieces_of(path, Wanted((), (time.name,))):
            try:
                rows = of_table(source.schema, piece.table.select([time.name]), path)
            except (DataFileError, KeyError):
                break  # its rows have no time, which is said where they are read
            yield rows.event_times[~np.isnat(rows.event_times)]


def row_total(paths: Sequence[Path]) -> int:
    """Return how many rows files have, reading as little as can be.

    Raises:
        DataFileError: a file cannot be read to its end.
    """
    total = 0
    for path in files_of(paths):
        known = row_count(path)
        if known is None:
            first = Wanted((read_names(path).names[0],))
            known = sum(piece.table.num_rows for piece in pieces_of(path, first))
        total += known
    return total
