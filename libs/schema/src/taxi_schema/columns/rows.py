"""Labelled rows as columns, and the archive in which a model's reference keeps them."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taxi_schema.columns.arrays import Array, Columns, array_of
from taxi_schema.schema import Schema

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]

_NAMES: Final = "names"
_OTHERS: Final = ("event_times", "target", "prediction")


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Rows with their labels; every array has length n.

    Attributes:
        columns: By name, in the schema's order and types (`taxi_schema.columns.arrays`).
        event_times: Local times, datetime64[us]; NaT where not known.
        target: Labels, in the target's unit.
        prediction: A model's answers, in the target's unit; NaN where there is none.
        answered: Times of the answers, seconds since the epoch, for rows of the log; else NaN.
    """

    columns: dict[str, Array]
    event_times: Times
    target: Floats
    prediction: Floats
    answered: Floats

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.target)

    def __getitem__(self, chosen: slice | NDArray[np.bool_] | NDArray[np.int64]) -> "LabelledRows":
        """Return some of the rows."""
        return LabelledRows(
            {name: column[chosen] for name, column in self.columns.items()},
            self.event_times[chosen], self.target[chosen], self.prediction[chosen],
            self.answered[chosen],
        )  # fmt: skip

    @property
    def moments(self) -> Floats:
        """Event times as seconds since 1970-01-01 00:00 local; NaN where not known."""
        seconds = self.event_times.astype(np.int64) / 1e6
        return np.where(np.isnat(self.event_times), np.nan, seconds)

    def predicted(self, prediction: Floats) -> "LabelledRows":
        """Return the rows with other answers."""
        return replace(self, prediction=prediction)


def of_columns(
    schema: Schema,
    columns: Columns,
    event_times: Times,
    target: Floats,
) -> LabelledRows:
    """Make rows of columns of any type; what is absent or cannot be read is missing."""
    rows = len(target)
    return LabelledRows(
        {column.name: array_of(column, columns, rows) for column in schema.columns},
        event_times, target, np.full(rows, np.nan), np.full(rows, np.nan),
    )  # fmt: skip


def joined(parts: Sequence[LabelledRows]) -> LabelledRows:
    """Return the rows of all parts, in this order; all have the same columns."""
    first = parts[0]
    return LabelledRows(
        {name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns},
        np.concatenate([part.event_times for part in parts]),
        np.concatenate([part.target for part in parts]),
        np.concatenate([part.prediction for part in parts]),
        np.concatenate([part.answered for part in parts]),
    )


def to_bytes(rows: LabelledRows) -> bytes:
    """Return an npz archive of plain arrays; the same rows give the same bytes.

    Strings become codes of a list of distinct ones, whole numbers the smallest type that holds
    them.
    """
    arrays: dict[str, Array] = {}
    texts: dict[str, list[str]] = {}
    # By place and not by name: a column may have any name.
    for place, (name, column) in enumerate(rows.columns.items()):
        if column.dtype == object:
            texts[name], codes = _coded(column)
            arrays[f"column/{place}"] = _small(codes)
        else:
            arrays[f"column/{place}"] = _small(column)
    arrays |= {
        "event_times": rows.event_times.astype("datetime64[us]").astype(np.int64),
        "target": rows.target,
        "prediction": rows.prediction,
    }
    names = {"columns": list(rows.columns), "texts": texts}
    arrays[_NAMES] = np.frombuffer(json.dumps(names).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def from_bytes(schema: Schema, data: bytes) -> LabelledRows:
    """Read what `to_bytes` wrote; columns that the schema does not have are left out.

    Raises:
        ValueError: damaged, or columns of other lengths.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            names = json.loads(archive[_NAMES].tobytes())
            times, target, prediction = (archive[name] for name in _OTHERS)
            stored = {
                name: _read(archive[f"column/{place}"], names["texts"].get(name))
                for place, name in enumerate(names["columns"])
            }
    except (KeyError, OSError, EOFError, IndexError, TypeError) as error:
        raise ValueError(f"not a reference: {error!r}") from error
    rows = len(target)
    if any(len(column) != rows for column in (*stored.values(), times, prediction)):
        raise ValueError("not a reference: its columns differ in length")
    return LabelledRows(
        {column.name: array_of(column, stored, rows) for column in schema.columns},
        times.astype("datetime64[us]"), target.astype(np.float64), prediction.astype(np.float64),
        np.full(rows, np.nan),
    )  # fmt: skip


def _coded(column: Array) -> tuple[list[str], NDArray[np.int64]]:
    distinct = sorted(set(column.tolist()))
    places = {text: place for place, text in enumerate(distinct)}
    return distinct, np.array([places[text] for text in column.tolist()], np.int64)


def _small(column: Array) -> Array:
    """Return whole numbers in the smallest type; a missing one needs all 64 bits."""
    if column.dtype != np.int64 or not len(column):
        return column
    kind = np.result_type(np.min_scalar_type(column.min()), np.min_scalar_type(column.max()))
    return column.astype(kind) if kind.kind in "iu" else column


def _read(column: Array, texts: list[str] | None) -> Array:
    if texts is None:
        return column
    values: NDArray[Any] = np.empty(len(column), object)
    values[:] = [texts[code] for code in column.tolist()]
    return values
