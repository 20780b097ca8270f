"""Whole months of TLC's green taxi rides, for users with internet access."""

import os
from pathlib import Path
from typing import Final

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from taxi_duration.trips import TripFileError

#: Where TLC publishes its trip records ("TLC Trip Record Data").
SOURCE: Final = "https://d37ci6vzurychx.cloudfront.net/trip-data"
_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
_MAX_BYTES: Final = 500_000_000
_NEEDED: Final = {"lpep_pickup_datetime", "lpep_dropoff_datetime", "PULocationID", "DOLocationID"}


def fetch(month: str, folder: Path, source: str = SOURCE) -> Path:
    """Download one month (``2021-01``) unless it is there, and return its path.

    Raises:
        TripFileError: not reachable, or not a file of green taxi rides; nothing is left behind.
    """
    name = f"green_tripdata_{month}.parquet"
    target = folder / name
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".part")
    try:
        with httpx.stream("GET", f"{source}/{name}", timeout=_TIMEOUT) as answer:
            answer.raise_for_status()
            size = 0
            with temporary.open("wb") as file:
                for chunk in answer.iter_bytes():
                    size += len(chunk)
                    if size > _MAX_BYTES:
                        raise TripFileError(f"{name}: larger than {_MAX_BYTES} bytes")
                    file.write(chunk)
        missing = _NEEDED - set(pq.read_schema(temporary).names)
        if missing:
            raise TripFileError(f"{name}: has no column {', '.join(sorted(missing))}")
        os.replace(temporary, target)  # noqa: PTH105 - the atomic one
    except httpx.HTTPError as error:
        raise TripFileError(
            f"{name}: cannot be fetched from {source} ({error}); check the month and the network, "
            "or give another address with --source"
        ) from error
    except pa.ArrowException as error:
        raise TripFileError(f"{name}: is no parquet file ({error}); try again") from error
    finally:
        temporary.unlink(missing_ok=True)
    return target
