"""Cut the shipped samples out of whole months of TLC's green taxi rides.

Usage: python models/taxi_duration/make_samples.py FOLDER, where FOLDER has the monthly files.
A sample has rows of the schema but for their ids: the duration stands in the place of the end.
"""

import argparse
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from taxi_duration.trips import DURATION, ID, PICKUP, read_trips

TARGET = Path(__file__).parent / "samples"
ZONES = ("PULocationID", "DOLocationID")


@dataclass(frozen=True)
class Sample:
    """A part of a month: rides from `start` to `end`, at most `rows`."""

    name: str
    month: str
    start: str
    end: str
    rows: int


SAMPLES = (
    Sample("green-2021-01", "2021-01", "2021-01-01", "2021-02-01", 100_000),
    Sample("green-2021-02-head", "2021-02", "2021-02-01", "2021-03-01", 12_000),
    Sample("green-2022-01-head", "2022-01", "2022-01-01", "2022-02-01", 24_000),
    Sample("green-2020-03-before", "2020-03", "2020-03-01", "2020-03-14", 200_000),
    Sample("green-2020-03-after", "2020-03", "2020-03-22", "2020-04-01", 16_000),
)


def cut(folder: Path, sample: Sample) -> pa.Table:
    """Return the rides of a sample in the order of their pickup."""
    table = read_trips(folder / f"green_tripdata_{sample.month}.parquet").drop_columns([ID])
    pickup = table[PICKUP]
    inside = pc.and_(
        pc.greater_equal(pickup, pa.scalar(datetime.fromisoformat(sample.start))),
        pc.less(pickup, pa.scalar(datetime.fromisoformat(sample.end))),
    )
    table = table.filter(inside).slice(0, sample.rows)
    for name in ZONES:
        table = table.set_column(table.column_names.index(name), name, table[name].cast("int16"))
    seconds = table[PICKUP].cast(pa.timestamp("s"), safe=False)
    return table.set_column(table.column_names.index(PICKUP), PICKUP, seconds)


def main() -> None:
    """Write all samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of green_tripdata_YYYY-MM.parquet files")
    folder = parser.parse_args().folder
    for sample in SAMPLES:
        path = TARGET / f"{sample.name}.parquet"
        pq.write_table(
            cut(folder, sample), path, compression="zstd", compression_level=19,
            use_dictionary=[*ZONES, "trip_distance", DURATION],
            column_encoding={PICKUP: "DELTA_BINARY_PACKED"},
        )  # fmt: skip
        print(f"{path.name}: {pq.read_metadata(path).num_rows} rides, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
