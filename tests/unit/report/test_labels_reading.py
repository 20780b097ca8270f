"""Labels of files: what is taken, and what is refused by which reason."""

import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_domain.records import Label
from taxi_files.pieces import pieces_of
from taxi_files.reading import DataFileError
from taxi_report.labels.reading import LabelReader, Names
from taxi_schema.reading import schema_of

NOW = datetime(2021, 3, 1, tzinfo=UTC)
SCHEMA = schema_of({
    "id": "ride_id",
    "target": {
        "name": "duration", "unit": "minutes", "minimum": 1, "maximum": 60, "label_minimum": 0,
        "label_maximum": 1440,
    },
    "columns": [{"name": "distance", "kind": "number"}],
})  # fmt: skip
OWN = Names("ride_id", "duration")


def read(path: Path, names: Names = OWN) -> tuple[list[Label], dict[str, int]]:
    reader = LabelReader(names, SCHEMA)
    (piece,) = pieces_of(path, reader.wanted)
    labels, refused = reader.read(piece, NOW)
    return labels, dict(refused)


def parquet(folder: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), folder / "rows.parquet")
    return folder / "rows.parquet"


def test_limits_are_those_of_the_monitor_and_each_reason_is_counted(tmp_path: Path) -> None:
    durations = [0.0, 1440.0, 1440.5, -1.0, None, math.nan, math.inf, 3.0, 4.0]
    ids = ["a", "b", "c", "d", "e", "f", "g", None, "no id"]
    labels, refused = read(parquet(tmp_path, ride_id=ids, duration=durations))
    assert labels == [Label("a", 0.0, NOW), Label("b", 1440.0, NOW)]
    assert refused == {
        "duration: is out of its limits; send minutes from 0 to 1440": 3,
        "duration: is missing; send minutes as a number": 2,
        "ride_id: is missing; send 1 to 64 of A-Z a-z 0-9 . _ -": 2,
    }


def test_integers_are_ids_and_csv_has_texts(tmp_path: Path) -> None:
    labels, _ = read(parquet(tmp_path, ride_id=[1, 2], duration=[5, 6]))
    assert labels == [Label("1", 5.0, NOW), Label("2", 6.0, NOW)]
    path = tmp_path / "rows.csv"
    path.write_text("ride_id,note,duration\n1,x,5\n2,,NA\n3,,many\n")
    labels, refused = read(path)
    assert labels == [Label("1", 5.0, NOW)]
    assert refused == {
        "duration: is missing; send minutes as a number": 1,
        "duration: is not a number; send minutes as a number": 1,
    }


def test_columns_have_other_names_and_labels_their_own_times(tmp_path: Path) -> None:
    east = timezone(timedelta(hours=-5))
    times = [datetime(2021, 2, 1, 12, tzinfo=east), None, datetime(9999, 6, 1, tzinfo=UTC)]
    path = parquet(
        tmp_path, key=["a", "b", "c"], minutes=[1.0, 2.0, 3.0],
        known=pa.array(times, pa.timestamp("us", "UTC")),
    )  # fmt: skip
    labels, refused = read(path, Names("key", "minutes", "known"))
    assert labels == [Label("a", 1.0, datetime(2021, 2, 1, 17, tzinfo=UTC))]
    assert [(text.partition(";")[0], count) for text, count in refused.items()] == [
        ("known: is missing", 1), ("known: is not a time", 1),
    ]  # fmt: skip


def test_a_time_without_an_offset_is_utc(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("ride_id,duration,at\n1,5,2021-02-01T12:00:00\n2,6,soon\n")
    labels, refused = read(path, Names("ride_id", "duration", "at"))
    assert labels == [Label("1", 5.0, datetime(2021, 2, 1, 12, tzinfo=UTC))]
    assert list(refused.values()) == [1]


def test_a_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    path = parquet(tmp_path, ride_id=[1.5], duration=[1.0])
    with pytest.raises(DataFileError, match=r"ride_id is double; give ids that are texts or"):
        read(path)
    with pytest.raises(DataFileError, match="has no column minutes"):
        read(path, Names("ride_id", "minutes"))
    path = parquet(tmp_path, ride_id=[1], duration=[[1.0]])
    with pytest.raises(DataFileError, match=r"duration is list<.*>; give numbers in its place"):
        read(path)
