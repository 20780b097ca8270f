"""Cut the shipped sample out of all flights that left New York in 2013.

Usage: python models/flight_delay/make_sample.py FILE, where FILE has all flights of 2013. A
sample has rows of the schema: scheduled departure, flight and airport make the id.
"""

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TARGET = Path(__file__).parent / "samples"
TIME = "scheduled_departure"
NUMBERS = ("distance", "dep_delay", "arr_delay")
COLUMNS = (TIME, "flight_id", "carrier", "origin", "dest", *NUMBERS)
#: Months, by the name of their file: the first model's, and what is streamed.
SAMPLES = {"flights-2013-01": 1, "flights-2013-02": 2, "flights-2013-07": 7, "flights-2013-09": 9}


def cut(table: pa.Table, month: int) -> pa.Table:
    """Return the flights of a month in the order of their scheduled departure."""
    table = table.select(COLUMNS).filter(pc.equal(pc.month(table[TIME]), month)).sort_by(TIME)
    for name in NUMBERS:
        whole = table[name].cast(pa.int16())
        table = table.set_column(table.column_names.index(name), name, whole)
    return table.set_column(0, TIME, table[TIME].cast(pa.timestamp("s"))).replace_schema_metadata()


def main() -> None:
    """Write all samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="parquet file of all flights of 2013")
    table = pq.read_table(parser.parse_args().file)
    TARGET.mkdir(exist_ok=True)
    for name, month in SAMPLES.items():
        path = TARGET / f"{name}.parquet"
        pq.write_table(
            cut(table, month), path, compression="zstd", compression_level=19,
            use_dictionary=["carrier", "origin", "dest", *NUMBERS],
            column_encoding={TIME: "DELTA_BINARY_PACKED"},
        )  # fmt: skip
        print(f"{path.name}: {pq.read_metadata(path).num_rows} flights, "
              f"{path.stat().st_size} bytes")  # fmt: skip


if __name__ == "__main__":
    main()
