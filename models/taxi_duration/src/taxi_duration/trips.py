"""TLC's trip records as rows of the schema: with a `ride_id` and the duration as the target.

A month of TLC has neither. Yellow taxis' names and another letter case are taken too.
"""

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taxi_domain.errors import TaxiError
from taxi_files.reading import FileRows, of_table, plain, read_columns, read_names
from taxi_files.table import table_of
from taxi_files.times import is_time, local_times
from taxi_schema.reading import read_schema
from taxi_schema.schema import Schema

SCHEMA_FILE: Final = Path(__file__).parents[2] / "schema.toml"
ID: Final = "ride_id"
PICKUP: Final = "lpep_pickup_datetime"
DROPOFF: Final = "lpep_dropoff_datetime"
DURATION: Final = "duration"
_COLUMNS: Final = ("PULocationID", "DOLocationID", "trip_distance")
#: Other names of the same columns, in lower case.
_ALSO: Final = {PICKUP: "tpep_pickup_datetime", DROPOFF: "tpep_dropoff_datetime"}
_MAX_ID: Final = 64
_PLACE_DIGITS: Final = 7
_HASH_DIGITS: Final = 8
_NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9._-]+")


class TripFileError(TaxiError):
    """A file holds no trip records that can be used; the text names it and the remedy."""


def taxi_schema() -> Schema:
    """Return the schema of the example."""
    return read_schema(SCHEMA_FILE)


def read_trips(path: Path, *, prefix: str = "") -> pa.Table:
    """Read a month, or rows that were made of one, in the order of the pickup.

    Args:
        path: Parquet or CSV file with TLC's columns, or with `duration` in the place of the end.
        prefix: Put before each `ride_id`; another one makes the same rides new rides.

    Returns:
        `ride_id`, pickup (local, microseconds), both zones, miles and minutes; what is missing or
        cannot be read is null. The ids are the same whenever the same file is read.

    Raises:
        TaxiError: it cannot be read, lacks a column, or has one that is no time or number.
    """
    schema = taxi_schema()
    assert schema.event_time is not None
    found = _found(path)
    there = read_columns(path, list(found.values()))
    columns = {name: plain(there, source) for name, source in found.items()}
    pickup = _times(schema, path, found[PICKUP], columns.pop(PICKUP))
    if DROPOFF in columns:
        dropoff = _times(schema, path, found[DROPOFF], columns.pop(DROPOFF))
        micros = (dropoff - pickup).astype(np.int64)
        known = ~(np.isnat(dropoff) | np.isnat(pickup))
        columns[DURATION] = pa.array(np.where(known, micros / 60e6, np.nan))
    columns[PICKUP] = pa.array(pickup)
    rows = of_table(schema, pa.table(columns), path)
    return table_of(schema, rows.rows(schema), _ids(path, prefix, len(rows.target)))


def trip_rows(path: Path) -> FileRows:
    """Read a month as training does.

    Raises:
        TaxiError: as `read_trips`.
    """
    return of_table(taxi_schema(), read_trips(path), path)


def _found(path: Path) -> dict[str, str]:
    """Return which column of the file is which of ours."""
    names = read_names(path).names
    lower = {name.strip().lower(): name for name in names}
    found = {}
    for name in (PICKUP, DROPOFF, *_COLUMNS, DURATION):
        source = lower.get(name.lower(), lower.get(_ALSO.get(name, "")))
        if source is not None:
            found[name] = source
    if DROPOFF in found:
        found.pop(DURATION, None)  # the two times say it
    end = [DURATION] if DURATION in found else [DROPOFF]
    missing = [name for name in (PICKUP, *end, *_COLUMNS) if name not in found]
    if missing:
        raise TripFileError(
            f"{path}: has no column {', '.join(missing)}; give a month of TLC's trip records with "
            "zones (green or yellow taxis, since July 2016)"
        )
    return found


def _times(schema: Schema, path: Path, name: str, array: Any) -> NDArray[np.datetime64]:
    if not is_time(array.type):
        raise TripFileError(f"{path}: {name} is {array.type}; give a file whose times are times")
    assert schema.event_time is not None
    times, _ = local_times(schema.event_time, array)
    return times


def _ids(path: Path, prefix: str, rows: int) -> list[str]:
    name = f"{prefix}{id_part(path.stem, _MAX_ID - len(prefix) - _PLACE_DIGITS - 1)}"
    return [f"{name}-{place:0{_PLACE_DIGITS}d}" for place in range(rows)]


def id_part(stem: str, longest: int) -> str:
    """Return a file's name as a part of ids; names that differ stay different.

    Args:
        stem: Name without its ending.
        longest: Characters that there is room for.

    Raises:
        TripFileError: there is no room, because of a long prefix.

    >>> id_part("green_tripdata_2021-01", 40)
    'green_tripdata_2021-01'
    >>> id_part("rides (1)", 40)
    'rides-1-b32810d9'
    """
    if longest <= _HASH_DIGITS + 1:
        raise TripFileError(f"prefix: leaves {longest} characters of an id; give a shorter one")
    if len(stem) <= longest and not _NOT_IN_IDS.search(stem) and stem:
        return stem
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    plain = _NOT_IN_IDS.sub("-", plain).strip("-")[: longest - _HASH_DIGITS - 1].rstrip("-")
    digest = hashlib.sha256(stem.encode("utf-8", "surrogateescape")).hexdigest()[:_HASH_DIGITS]
    return f"{plain}-{digest}" if plain else digest
