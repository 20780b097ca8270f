"""Cut the shipped samples out of whole months of TLC's green taxi rides.

Usage: python tools/samples/make_samples.py FOLDER, where FOLDER has the monthly files.
"""

import argparse
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TARGET = Path(__file__).parents[2] / "jobs" / "train" / "src" / "taxi_train" / "samples"
COLUMNS = [
    "lpep_pickup_datetime",
    "lpep_dropoff_datetime",
    "PULocationID",
    "DOLocationID",
    "trip_distance",
]


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
    Sample("green-2020-03-before", "2020-03", "2020-03-01", "2020-03-14", 200_000),
    Sample("green-2020-03-after", "2020-03", "2020-03-22", "2020-04-01", 16_000),
)


def cut(folder: Path, sample: Sample) -> pa.Table:
    """Return the rides of a sample in the order of their pickup."""
    table = pq.read_table(folder / f"green_tripdata_{sample.month}.parquet", columns=COLUMNS)
    pickup = table["lpep_pickup_datetime"]
    inside = pc.and_(
        pc.greater_equal(pickup, pa.scalar(datetime.fromisoformat(sample.start))),
        pc.less(pickup, pa.scalar(datetime.fromisoformat(sample.end))),
    )
    table = table.filter(inside).sort_by("lpep_pickup_datetime").slice(0, sample.rows)
    for name, kind in (("PULocationID", pa.int16()), ("DOLocationID", pa.int16())):
        table = table.set_column(table.column_names.index(name), name, table[name].cast(kind))
    for name in COLUMNS[:2]:
        seconds = table[name].cast(pa.timestamp("s"), safe=False)
        table = table.set_column(table.column_names.index(name), name, seconds)
    return table.replace_schema_metadata(None)


def main() -> None:
    """Write all samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of green_tripdata_YYYY-MM.parquet files")
    folder = parser.parse_args().folder
    for sample in SAMPLES:
        path = TARGET / f"{sample.name}.parquet"
        pq.write_table(
            cut(folder, sample), path, compression="zstd", compression_level=19,
            use_dictionary=["PULocationID", "DOLocationID", "trip_distance"],
            column_encoding=dict.fromkeys(COLUMNS[:2], "DELTA_BINARY_PACKED"),
        )  # fmt: skip
        print(f"{path.name}: {pq.read_metadata(path).num_rows} rides, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
