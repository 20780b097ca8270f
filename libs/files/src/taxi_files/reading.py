"""Labelled rows of parquet and CSV files, read by a schema."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from taxi_domain.errors import TaxiError
from taxi_files.numbers import numbers_in
from taxi_files.times import is_time, local_times
from taxi_schema.column import MISSING_INTEGER, Column, FeatureType, Kind
from taxi_schema.columns.arrays import scan
from taxi_schema.columns.limits import Refused, evaluated, refusals
from taxi_schema.columns.rows import LabelledRows, of_columns
from taxi_schema.fitting import Reason
from taxi_schema.schema import Schema

Array = NDArray[Any]
Mask = NDArray[np.bool_]

CSV: Final = ".csv"
#: A text may have line breaks, which readers of large files look for otherwise.
PARSE: Final = pc.ParseOptions(newlines_in_values=True)
#: Types that Arrow cannot compute with, and what has the same values.
_PLAIN: Final = {
    pa.string_view(): pa.string(), pa.binary_view(): pa.binary(), pa.float16(): pa.float32(),
}  # fmt: skip
#: What a CSV file has for a missing number; a category may have these names.
NOT_AVAILABLE: Final = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"})


class DataFileError(TaxiError):
    """A file cannot be read; the text names the file, the column and the remedy."""


@dataclass(frozen=True, slots=True)
class FileRows:
    """The rows of a file, in its order; every array has length n.

    Attributes:
        columns: Values of the schema's columns as the file has them.
        event_times: Local times, datetime64[us]; NaT where not known.
        target: Labels, NaN where there is none.
        problems: Where event time or target cannot be read, by name and reason.
    """

    columns: Mapping[str, Array]
    event_times: NDArray[np.datetime64]
    target: NDArray[np.float64]
    problems: Mapping[Refused, Mask]

    def refusals(self, schema: Schema) -> dict[Refused, Mask]:
        """Return which rows a request would refuse, by column and reason."""
        return {**refusals(schema, self.columns), **self.problems}

    def rows(self, schema: Schema) -> LabelledRows:
        """Return the rows in the order of time; what cannot be read is missing."""
        rows = of_columns(schema, self.columns, self.event_times, self.target)
        return rows[self.order]

    @property
    def order(self) -> NDArray[np.int64]:
        """Places of the rows in the order of time; those without one come last."""
        return np.argsort(self.event_times, kind="stable")

    def trainable(self, schema: Schema) -> Mask:
        """Tell which rows can be trained on, in the order of the file.

        Of these a request would be accepted and errors count the label. It is told by the values
        that the file has: `rows` no longer knows what was missing and what could not be read.
        """
        mask = evaluated(schema.target, self.target)
        for refused in self.refusals(schema).values():
            mask &= ~refused
        return mask


def read_names(path: Path) -> pa.Schema:
    """Return names and types of a file's columns; those of CSV are guessed from its first rows.

    Raises:
        DataFileError: it cannot be read.
    """
    return opened(path, lambda: _types(path))


def read_columns(path: Path, names: list[str], *, typed: bool = False) -> pa.Table:
    """Read columns of a parquet or CSV file; those of CSV are texts unless `typed`.

    Typed, what stands for a missing number is null but in columns of texts, as `read_file` has it.

    Raises:
        DataFileError: it cannot be read, or has not one of the columns exactly once.
    """
    check_names(path, names, opened(path, lambda: names_of(path)))

    def table() -> pa.Table:
        if not is_csv(path):
            # The pandas index of a file is a column like any other here.
            return pq.ParquetFile(path).read(columns=names)
        types = None if typed else dict.fromkeys(names, pa.string())
        options = pc.ConvertOptions(
            include_columns=names, column_types=types, strings_can_be_null=not typed,
            null_values=sorted(NOT_AVAILABLE) if typed else [""], quoted_strings_can_be_null=True,
        )  # fmt: skip
        return pc.read_csv(path, parse_options=PARSE, convert_options=options)

    return opened(path, table)


def read_file(schema: Schema, path: Path) -> FileRows:
    """Read a file by the schema.

    Raises:
        DataFileError: it cannot be read, lacks a column, or has one of a type that no value of
            it can be read from.
    """
    time = schema.event_time
    names = [*(column.name for column in schema.columns), schema.target.name]
    return of_table(
        schema, read_columns(path, names if time is None else [*names, time.name]), path
    )


def of_table(schema: Schema, table: pa.Table, path: Path) -> FileRows:
    """Read a table by the schema; see `read_file`.

    Args:
        schema: Of the rows.
        table: What is absent is missing in every row.
        path: Of the file, for texts; a CSV file's numbers may be texts.
    """
    time, rows = schema.event_time, table.num_rows
    label = Column(schema.target.name, Kind.NUMBER, FeatureType.FLOAT)
    there = frozenset(table.column_names)
    raw = {
        column.name: _values(path, column, plain(table, column.name))
        for column in (*schema.columns, label)
        if column.name in there
    }
    target, unreadable = scan(label, raw.pop(label.name, None), rows)
    problems = {Refused(label.name, reason): mask for reason, mask in unreadable.items()}
    times = np.full(rows, np.datetime64("NaT", "us"))
    if time is not None and time.name in there:
        array = plain(table, time.name)
        if not is_time(array.type):
            raise DataFileError(
                f"{path}: {time.name} is {array.type}; give timestamps, dates or ISO 8601 texts"
            )
        times, bad = local_times(time, array)
        problems[Refused(time.name, Reason.TYPE)] = bad
    return FileRows(raw, times, target, {key: mask for key, mask in problems.items() if mask.any()})


def plain(table: pa.Table, name: str) -> pa.Array:
    """Return a column as one array of a plain type: no dictionary, view or 16-bit float."""
    array = table[name].combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # so when it has no chunk
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    other = _PLAIN.get(array.type)
    return array if other is None else array.cast(other)


def numbers_of(
    table: pa.Table, name: str, path: Path
) -> tuple[NDArray[np.float64], Mapping[Reason, Mask]]:
    """Return a column of numbers, NaN where missing, and where it cannot be read, by reason.

    Raises:
        DataFileError: it has a type that no number can be read from.
    """
    column = Column(name, Kind.NUMBER, FeatureType.FLOAT)
    return scan(column, _values(path, column, plain(table, name)), table.num_rows)


def read_numbers(path: Path, name: str) -> NDArray[np.float64]:
    """Return one column of numbers, NaN where missing, in the order of the file.

    Raises:
        DataFileError: as `read_file`, or a value is no number.
    """
    numbers, problems = numbers_of(read_columns(path, [name]), name, path)
    if any(mask.any() for mask in problems.values()):
        raise DataFileError(f"{path}: {name} has values that are no finite numbers; remove them")
    return numbers


def check_names(path: Path, names: Sequence[str], there: Sequence[str]) -> None:
    """Check that a file has each of the columns exactly once.

    Raises:
        DataFileError: it has not.
    """
    for name in names:
        if there.count(name) != 1:
            problem = "has no column" if name not in there else "has more than one column"
            raise DataFileError(
                f"{path}: {problem} {name}; rename it there or in the schema "
                f"(the file has {_listed(there)})"
            )


def opened(path: Path, read: Callable[[], Any]) -> Any:
    """Return what `read` returns of a file.

    Raises:
        DataFileError: it cannot be read.
    """
    try:
        return read()
    except FileNotFoundError as error:
        raise DataFileError(f"{path}: no such file; give a parquet or CSV file") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())[:300]
        raise DataFileError(
            f"{path}: cannot be read as {'CSV' if is_csv(path) else 'parquet'} ({text}); "
            "write it again, CSV with the ending .csv"
        ) from error


def is_csv(path: Path) -> bool:
    """Tell whether a file is CSV, by its name."""
    return path.suffix.lower() == CSV


def names_of(path: Path) -> list[str]:
    """Return the names of a file's columns; errors are Arrow's, see `opened`."""
    names: list[str] = _types(path).names
    return names


def _types(path: Path) -> pa.Schema:
    if is_csv(path):
        return pc.open_csv(path, parse_options=PARSE).schema
    return pq.read_schema(path)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _values(path: Path, column: Column, array: pa.Array) -> Array:
    """Return a column's values for `taxi_schema.columns`; missing is None, NaN or its integer."""
    kind = array.type
    if _is_text(kind):
        texts = array.to_pylist()
        if is_csv(path) and column.type is not FeatureType.STRING:
            return _objects([_parsed(column, text) for text in texts])
        return _objects([None if text == "" else text for text in texts])
    if pa.types.is_integer(kind):
        with suppress(pa.ArrowInvalid):  # beyond 64 bits with a sign
            integers = numbers_in(array.cast(pa.int64()), MISSING_INTEGER)
            if column.kind is Kind.CATEGORY or not array.null_count:
                return integers
            return np.where(integers == MISSING_INTEGER, np.nan, integers)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return numbers_in(array.cast(pa.float64()), np.nan)
    if not (pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise DataFileError(
            f"{path}: {column.name} is {kind}; give {_SCALARS[column.kind]} in its place"
        )
    return _objects(array.to_pylist())


_SCALARS: Final = {
    Kind.NUMBER: "numbers", Kind.BOOLEAN: "booleans", Kind.CATEGORY: "integers or texts",
}  # fmt: skip


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _objects(values: list[Any]) -> Array:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _parsed(column: Column, text: str | None) -> object:
    """Return what a text of a CSV file says; the text itself when it is no such value."""
    text = (text or "").strip()
    if text in NOT_AVAILABLE:
        return None
    if column.kind is Kind.BOOLEAN:
        return {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), text)
    for number in (int, float) if "_" not in text else ():
        with suppress(ValueError):
            return number(text)
    return text
