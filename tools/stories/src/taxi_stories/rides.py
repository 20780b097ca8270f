"""Rides of a TLC file in the order of their pickup, with their true durations."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from taxi_domain.durations import TARGET_MAXIMUM, TARGET_MINIMUM, is_target

from taxi_domain.errors import TaxiError

_TIMES = ("lpep_pickup_datetime", "lpep_dropoff_datetime")
_COLUMNS = (*_TIMES, "PULocationID", "DOLocationID", "trip_distance")


class RideFileError(TaxiError):
    """A file of rides cannot be used; its text says why."""


@dataclass(frozen=True, slots=True)
class TrueRide:
    """One ride of a file.

    Attributes:
        body: What is posted to the predictor, with a `ride_id` that is the same whenever
            the same file is sent, so that a repeat changes nothing.
        duration: The true duration, minutes.
    """

    body: dict[str, object]
    duration: float


def read_rides(path: Path, *, prefix: str = "", cut: bool = False) -> list[TrueRide]:
    """Read the rides whose duration is known, with whatever duration the file says.

    Args:
        path: Parquet file with TLC's green taxi columns.
        prefix: Put before each `ride_id`; another one makes the same rides new rides.
        cut: Leave out rides whose durations are outside of the target's limits.

    Raises:
        RideFileError: no such file, damaged, or a column is missing or of another kind.
    """
    try:
        table = pq.read_table(path, columns=list(_COLUMNS))
    except FileNotFoundError as error:
        raise RideFileError(f"{path}: no such file; give the path of a parquet file") from error
    except (pa.ArrowException, OSError) as error:
        raise RideFileError(f"{path}: cannot be read ({error}); fetch it again") from error
    missing = set(_COLUMNS) - set(table.column_names)
    if missing:
        raise RideFileError(
            f"{path}: has no column {', '.join(sorted(missing))}; give a file of green taxi rides"
        )
    for name in _COLUMNS:
        kind = table.schema.field(name).type
        time = name in _TIMES
        if not (pa.types.is_timestamp(kind) if time else _is_number(kind)):
            raise RideFileError(
                f"{path}: column {name} holds {kind}, not {'times' if time else 'numbers'}; "
                "give a file of green taxi rides"
            )
    table = table.sort_by("lpep_pickup_datetime")
    moments = [table[name].cast(pa.timestamp("us")) for name in _TIMES]
    micros = pc.subtract(moments[1], moments[0]).cast(pa.int64())
    minutes = pc.divide(micros.cast(pa.float64()), 60_000_000.0)
    table = table.append_column("minutes", minutes).filter(pc.is_valid(minutes))
    found = list(_rides(table, prefix + path.stem))
    wanted = "with times"
    if cut:
        # After they got their ids: a ride has the same one whether others are cut or not.
        found = [one for one in found if is_target(one.duration)]
        wanted = f"of {TARGET_MINIMUM:g} to {TARGET_MAXIMUM:g} minutes"
    if not found:
        raise RideFileError(f"{path}: has no ride {wanted}; give another file")
    return found


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _rides(table: pa.Table, name: str) -> Iterator[TrueRide]:
    columns = (table[column].to_pylist() for column in (*_COLUMNS, "minutes"))
    for number, (pickup, _, pu, do, miles, minutes) in enumerate(zip(*columns, strict=True)):
        body: dict[str, object] = {
            "ride_id": f"{name}-{number:07d}"[-64:],
            "PULocationID": pu,
            "DOLocationID": do,
            "trip_distance": miles,
            "lpep_pickup_datetime": pickup.isoformat(),
        }
        yield TrueRide(body, minutes)
