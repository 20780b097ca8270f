"""Months of TLC's trip records, as they were published over the years and changed by others."""

import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_domain.errors import TaxiError
from taxi_domain.ids import check_id
from taxi_duration.trips import id_part, read_trips, taxi_schema, trip_rows
from taxi_schema.columns.limits import accepted, evaluated

TIMES = list(map(datetime.fromisoformat, ("2021-01-01T08:00:00", "2021-01-01T09:00:00")))
ENDS = list(map(datetime.fromisoformat, ("2021-01-01T08:12:30", "2021-01-01T09:45:00")))
COLUMNS: dict[str, Any] = {
    "VendorID": [1, 2],
    "lpep_pickup_datetime": pa.array(TIMES, pa.timestamp("us")),
    "lpep_dropoff_datetime": pa.array(ENDS, pa.timestamp("us")),
    "PULocationID": [130, 74],
    "DOLocationID": [205, 75],
    "trip_distance": [3.5, 8.25],
}


def month(folder: Path, name: str = "green.parquet", **changes: Any) -> Path:
    columns = {key: value for key, value in (COLUMNS | changes).items() if value is not None}
    pq.write_table(pa.table(columns), folder / name)
    return folder / name


def test_a_month_becomes_rows_of_the_schema(tmp_path: Path) -> None:
    table = read_trips(month(tmp_path))

    assert table.column_names == [
        "ride_id", "lpep_pickup_datetime", "PULocationID", "DOLocationID", "trip_distance",
        "duration",
    ]  # fmt: skip
    assert table["duration"].to_pylist() == [12.5, 45.0]
    assert table["ride_id"].to_pylist() == ["green-0000000", "green-0000001"]
    rows = trip_rows(month(tmp_path))
    assert accepted(taxi_schema(), rows.columns).all()
    assert evaluated(taxi_schema().target, rows.target).all()


UTC_TIMES = [pa.array(values, pa.timestamp("us", "UTC")) for values in (TIMES, ENDS)]
READ = {
    "large strings": {
        "lpep_pickup_datetime": pa.array([str(time) for time in TIMES], pa.large_string()),
        "lpep_dropoff_datetime": pa.array([str(time) for time in ENDS], pa.large_string()),
    },
    "utc": {"lpep_pickup_datetime": UTC_TIMES[0], "lpep_dropoff_datetime": UTC_TIMES[1]},
    "nanoseconds": {
        "lpep_pickup_datetime": pa.array(
            [int(time.timestamp()) * 10**9 + 1 for time in TIMES], pa.timestamp("ns")
        ),
        "lpep_dropoff_datetime": pa.array(
            [int(time.timestamp()) * 10**9 + 1 for time in ENDS], pa.timestamp("ns")
        ),
    },
    "yellow taxis": {
        "lpep_pickup_datetime": None, "lpep_dropoff_datetime": None,
        "tpep_pickup_datetime": pa.array(TIMES, pa.timestamp("us")),
        "tpep_dropoff_datetime": pa.array(ENDS, pa.timestamp("us")),
    },
    "another case": {
        "PULocationID": None, "PUlocationID": [130, 74], "trip_distance": None,
        "Trip_distance": [3.5, 8.25],
    },
    "zones as floats": {"PULocationID": [130.0, 74.0]},
    "dictionaries": {"PULocationID": pa.array([130, 74]).dictionary_encode()},
}  # fmt: skip


@pytest.mark.parametrize("kind", READ)
def test_other_forms_of_the_same_month_are_read(tmp_path: Path, kind: str) -> None:
    table = read_trips(month(tmp_path, **READ[kind]))

    assert table["duration"].to_pylist() == [12.5, 45.0]
    assert table["PULocationID"].to_pylist() == [130, 74]
    assert table["trip_distance"].to_pylist() == [3.5, 8.25]
    hours = {"utc": [3, 4]}.get(kind, [8, 9])
    assert [time.hour for time in table["lpep_pickup_datetime"].to_pylist()] == hours


def test_a_column_as_pandas_index_is_read(tmp_path: Path) -> None:
    path = tmp_path / "frame.parquet"
    frame = pd.DataFrame({key: pa.array(value).to_pylist() for key, value in COLUMNS.items()})
    frame.set_index("lpep_pickup_datetime").to_parquet(path)

    assert read_trips(path)["duration"].to_pylist() == [12.5, 45.0]


def test_dates_and_values_that_are_no_numbers_stay_missing(tmp_path: Path) -> None:
    dates = pa.array([date(2021, 1, 1)] * 2, pa.date32())
    table = read_trips(month(tmp_path, lpep_dropoff_datetime=dates, trip_distance=[np.nan, np.inf]))

    assert table["trip_distance"].to_pylist() == [None, None]
    assert table["duration"].to_pylist() == [-480.0, -540.0]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"PULocationID": [[130], [74]]}, "PULocationID is list<"),
        ({"DOLocationID": [{"zone": 1}, {"zone": 2}]}, "DOLocationID is struct<"),
        ({"lpep_pickup_datetime": [1, 2]}, "lpep_pickup_datetime is int64"),
        (
            {"PULocationID": None, "Pickup_longitude": [-73.9, -73.8]},
            "has no column PULocationID; give a month",
        ),
        ({"lpep_dropoff_datetime": None}, "has no column lpep_dropoff_datetime"),
    ],
)
def test_other_files_are_refused_in_one_line(
    tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(TaxiError, match=re.escape(text)) as error:
        read_trips(month(tmp_path, **changes))

    assert "\n" not in str(error.value)
    assert "green.parquet: " in str(error.value)


@pytest.mark.parametrize(
    "name", ["green (1)", "Fahrten März", "поездки", "語", "x" * 200, "a b", ".hidden", "-", "%2F"]
)
def test_every_name_of_a_file_gives_ids_that_a_predictor_takes(tmp_path: Path, name: str) -> None:
    path = month(tmp_path, f"{name}.parquet")

    ids = read_trips(path, prefix="run-2.")["ride_id"].to_pylist()

    assert len(set(ids)) == 2
    for key in ids:
        assert check_id(key, "ride_id").startswith("run-2.")


def test_names_that_differ_give_other_ids() -> None:
    names = ["rides (1)", "rides (2)", "rides-1", "rides_1", "rïdes 1", "ridеs 1", *"語字"]

    assert len({id_part(name, 30) for name in names}) == len(names)


def test_a_prefix_that_leaves_no_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaxiError, match="give a shorter one"):
        read_trips(month(tmp_path), prefix="p" * 60)
