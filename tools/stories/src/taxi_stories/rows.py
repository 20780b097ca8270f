"""Rows of a file with their labels, as they are posted."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from taxi_domain.errors import TaxiError
from taxi_duration.trips import SCHEMA_FILE, read_trips
from taxi_files.reading import read_columns
from taxi_schema.reading import read_schema
from taxi_schema.schema import Schema

#: The worked example, whose rows the stories send.
TAXI_SCHEMA = read_schema(SCHEMA_FILE)


class RowFileError(TaxiError):
    """A file has no row that can be sent; its text says why."""


@dataclass(frozen=True, slots=True)
class Body:
    """One row of a file.

    Attributes:
        body: What is posted to the predictor, with an id that is the same whenever the same file
            is sent, so that a repeat changes nothing.
        label: The true value of the target, in its unit; None where it will never be known.
    """

    body: dict[str, object]
    label: float | None


@dataclass(frozen=True, slots=True)
class LabelledBody(Body):
    """One row whose true value is known."""

    label: float


def read_rides(path: Path, *, prefix: str = "", cut: bool = False) -> list[LabelledBody]:
    """Read the rides of a TLC file, or of a shipped sample, whose duration is known.

    Args:
        path: Parquet or CSV file.
        prefix: Put before each id; another one makes the same rides new rides.
        cut: Leave out rides whose labels errors do not count.

    Raises:
        TaxiError: the file cannot be used; names it, the column and the remedy.
    """
    rows = bodies_of(TAXI_SCHEMA, read_trips(path, prefix=prefix))
    wanted = "with a duration"
    if cut:
        # After they got their ids: a ride has the same one whether others are cut or not.
        rows = [row for row in rows if TAXI_SCHEMA.target.is_evaluated(row.label)]
        wanted = limits_of(TAXI_SCHEMA)
    if not rows:
        raise RowFileError(f"{path}: has no ride {wanted}; give another file")
    return rows


def read_rows(schema: Schema, path: Path) -> list[Body]:
    """Read all rows of a file that has the schema's names, in the order of time.

    Rows without a target are among them: they are asked for, and never get a label.

    Raises:
        TaxiError: the file cannot be used; names it, the column and the remedy.
    """
    time = [] if schema.event_time is None else [schema.event_time.name]
    names = [column.name for column in schema.columns]
    table = read_columns(path, [schema.id, *time, *names, schema.target.name])
    for name in time:
        table = table.sort_by(name)
    if not table.num_rows:
        raise RowFileError(f"{path}: has no row; give another file")
    return _bodies(schema, table)


def limits_of(schema: Schema) -> str:
    """Return the limits of labels that errors count, for texts."""
    target = schema.target
    return f"of {target.minimum:g} to {target.maximum:g} {target.unit}".strip()


def bodies_of(schema: Schema, table: pa.Table) -> list[LabelledBody]:
    """Return the labelled rows of a table as bodies; what is null is left out.

    Args:
        schema: Names of id, event time, columns and target.
        table: With these columns.
    """
    rows = _bodies(schema, table)
    return [LabelledBody(row.body, row.label) for row in rows if row.label is not None]


def _bodies(schema: Schema, table: pa.Table) -> list[Body]:
    target = schema.target.name
    return [
        Body({name: _plain(value) for name, value in row.items() if value is not None}, label)
        for row in table.to_pylist()
        for label in [row.pop(target)]
    ]


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
