"""Rides of files: those of the samples, and clear errors for files that are none."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_domain.errors import TaxiError
from taxi_stories.rows import RowFileError, read_rides
from taxi_stories.story import SAMPLES


@pytest.mark.parametrize("unit", ["s", "us"])
def test_rides_are_in_order_with_minutes(tmp_path: Path, unit: str) -> None:
    pickups = [datetime(2021, 1, 1, hour) for hour in (3, 1, 2)]  # noqa: DTZ001 - local time
    dropoffs = [datetime(2021, 1, 1, hour, 12, 30) for hour in (3, 1)] + [pickups[2]]  # noqa: DTZ001
    kind = pa.timestamp(unit)
    table = pa.table(
        {
            "lpep_pickup_datetime": pa.array(pickups, kind),
            "lpep_dropoff_datetime": pa.array(dropoffs, kind),
            "PULocationID": [3, 1, 2],
            "DOLocationID": [3, 1, 2],
            "trip_distance": [3.0, 1.0, 2.0],
        }
    )
    pq.write_table(table, tmp_path / "rides.parquet")

    found = read_rides(tmp_path / "rides.parquet", prefix="p-")

    assert [one.label for one in found] == [12.5, 0.0, 12.5]
    assert [one.body["PULocationID"] for one in found] == [1, 2, 3]
    assert found[0].body["ride_id"] == "p-rides-0000000"
    assert found[0].body["lpep_pickup_datetime"] == "2021-01-01T01:00:00"


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.parquet")), ids=lambda path: path.stem)
def test_every_sample_has_rides(path: Path) -> None:
    assert len(read_rides(path)) > 10_000


def test_rides_keep_their_ids_when_others_are_cut() -> None:
    path = SAMPLES / "green-2020-03-after.parquet"

    uncut, cut = read_rides(path), read_rides(path, cut=True)

    assert max(one.label for one in uncut) > 600
    assert {one.label for one in cut} == {one.label for one in uncut if 1 <= one.label <= 60}
    ids = {str(one.body["ride_id"]): one for one in uncut}
    assert all(ids[str(one.body["ride_id"])] == one for one in cut)
    assert 0.02 < 1 - len(cut) / len(uncut) < 0.05


def test_rides_without_an_end_have_no_label(tmp_path: Path) -> None:
    moment = datetime(2021, 1, 1, 0, 15)  # noqa: DTZ001 - local time
    row: dict[str, object] = {
        "lpep_pickup_datetime": moment, "lpep_dropoff_datetime": moment,
        "PULocationID": 1, "DOLocationID": 2, "trip_distance": 1.0,
    }  # fmt: skip
    path = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_pylist([row, {**row, "lpep_dropoff_datetime": None}]), path)

    assert len(read_rides(path)) == 1
    with pytest.raises(RowFileError, match="has no ride of 1 to 60 minutes"):
        read_rides(path, cut=True)


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(TaxiError, match=r"nothing\.parquet: no such file"):
        read_rides(tmp_path / "nothing.parquet")
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1xxPAR1")
    with pytest.raises(TaxiError, match=r"damaged\.parquet"):
        read_rides(tmp_path / "damaged.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(TaxiError, match="has no column lpep_pickup_datetime"):
        read_rides(tmp_path / "other.parquet")


def test_times_as_texts_are_read_and_other_kinds_are_named(tmp_path: Path) -> None:
    row: dict[str, object] = {
        "lpep_pickup_datetime": "2021-01-01 00:15:00", "duration": 12.5,
        "PULocationID": 1, "DOLocationID": 2, "trip_distance": 1.0,
    }  # fmt: skip
    path = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_pylist([row]), path)

    (ride,) = read_rides(path)
    assert ride.body["lpep_pickup_datetime"] == "2021-01-01T00:15:00"

    pq.write_table(pa.Table.from_pylist([{**row, "PULocationID": [1]}]), path)
    with pytest.raises(TaxiError, match="PULocationID"):
        read_rides(path)
