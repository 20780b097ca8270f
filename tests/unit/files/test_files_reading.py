"""Rows of files: types, missing values and times, or one line that says what to change."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.labelled import labelled, orders
from support.schemas import schemas

from taxi_files.reading import DataFileError, FileRows, read_file, read_numbers
from taxi_schema.column import MISSING, MISSING_INTEGER
from taxi_schema.columns.limits import accepted
from taxi_schema.schema import Schema

SCHEMA = orders()
MOMENT = datetime(2021, 1, 2, 3, 4, 5, 6)  # noqa: DTZ001 - local
DAY = date(2021, 1, 2)
COLUMNS: dict[str, Any] = {
    "order": ["1", "2", "3"],
    "placed": pa.array([MOMENT] * 3, pa.timestamp("us")),
    "shop": ["a", "b", "007"],
    "area": [1, None, 40],
    "weight": [1.5, 2.0, 3.0],
    "age": [None, 1.0, 2.0],
    "gift": [True, False, True],
    "app": ["x", "y", "z"],
    "notes": [0.0, 1.0, 2.0],
    "price": [1.0, 2.0, 3.0],
}


def written(path: Path, **changes: Any) -> Path:
    table = pa.table(COLUMNS | changes)
    if path.suffix.lower() == ".csv":
        pc.write_csv(table, path)
    else:
        pq.write_table(table, path)
    return path


def read(tmp_path: Path, **changes: Any) -> FileRows:
    return read_file(SCHEMA, written(tmp_path / "rows.parquet", **changes))


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "ROWS.CSV"])
def test_parquet_and_csv_have_the_same_rows(tmp_path: Path, name: str) -> None:
    file = read_file(SCHEMA, written(tmp_path / name))
    rows = file.rows(SCHEMA)

    assert file.refusals(SCHEMA) == {}
    assert rows.columns["shop"].tolist() == ["a", "b", "007"]
    assert rows.columns["area"].tolist() == [1, MISSING_INTEGER, 40]
    assert rows.columns["gift"].tolist() == [1, 0, 1]
    assert np.isnan(rows.columns["age"][0])
    assert rows.target.tolist() == [1, 2, 3]
    assert rows.event_times[0] == np.datetime64("2021-01-02T03:04:05.000006")


NANOSECONDS = pa.array([1609556645000006789] * 3, pa.timestamp("ns"))
BEFORE_1970 = pa.array([-1001] * 3, pa.timestamp("ns"))
UTC_TIME = datetime(2021, 7, 2, 1, 4, 5, tzinfo=UTC)
TIMES = {
    "seconds": (pa.array([DAY] * 3).cast(pa.timestamp("s")), "2021-01-02"),
    "milliseconds": (pa.array([DAY] * 3).cast(pa.timestamp("ms")), "2021-01-02"),
    "nanoseconds": (NANOSECONDS, "2021-01-02T03:04:05.000006"),
    "before 1970": (BEFORE_1970, "1969-12-31T23:59:59.999998"),
    "zone": (pa.array([UTC_TIME] * 3, pa.timestamp("us", "UTC")), "2021-07-02T03:04:05"),
    "other zone": (
        pa.array([UTC_TIME] * 3, pa.timestamp("ns", "Asia/Tokyo")), "2021-07-02T03:04:05",
    ),
    "date32": (pa.array([date(2021, 1, 2)] * 3, pa.date32()), "2021-01-02"),
    "date64": (pa.array([date(2021, 1, 2)] * 3, pa.date64()), "2021-01-02"),
    "text": (pa.array(["2021-01-02T03:04:05"] * 3), "2021-01-02T03:04:05"),
    "large text with an offset": (
        pa.array(["2021-07-02T03:04:05+00:00"] * 3, pa.large_string()), "2021-07-02T05:04:05",
    ),
    "text view": (pa.array(["2021-01-02T03:04:05"] * 3, pa.string_view()), "2021-01-02T03:04:05"),
    "dictionary": (
        pa.array(["2021-01-02 03:04:05"] * 3).dictionary_encode(), "2021-01-02T03:04:05",
    ),
    "nothing": (pa.nulls(3), "NaT"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TIMES)
def test_event_times_of_any_type_become_local_times(tmp_path: Path, kind: str) -> None:
    times, expected = TIMES[kind]

    read_times = read(tmp_path, placed=times).event_times

    assert np.array_equal(read_times, np.full(3, np.datetime64(expected, "us")), equal_nan=True)


def test_times_that_cannot_be_are_counted(tmp_path: Path) -> None:
    strange = read(tmp_path, placed=["yesterday", None, ""])
    far = read(tmp_path, placed=pa.array([2**62, 0, None], pa.timestamp("us")))

    for file, known in ((strange, 0), (far, 1)):
        assert (~np.isnat(file.event_times)).sum() == known
        assert [(str(name), mask.sum()) for (name, _), mask in file.refusals(SCHEMA).items()] == [
            ("placed", 1)
        ]


def test_refusals_name_column_and_reason(tmp_path: Path) -> None:
    file = read(
        tmp_path, weight=[np.nan, np.inf, 2000.0], shop=["", "x" * 65, None],
        area=[0.0, 1.5, 3.0], price=[np.inf, None, 1.0],
    )  # fmt: skip

    assert {tuple(map(str, key)): mask.tolist() for key, mask in file.refusals(SCHEMA).items()} == {
        ("weight", "missing"): [True, False, False],
        ("weight", "limits"): [False, True, True],
        ("shop", "missing"): [True, False, True],
        ("shop", "text"): [False, True, False],
        ("area", "limits"): [True, False, False],
        ("area", "type"): [False, True, False],
        ("price", "limits"): [True, False, False],
    }


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"weight": [[1.0], [2.0], None]}, "weight is list<.*>; give numbers in its place"),
        ({"area": [{"zone": 1}] * 3}, "area is struct<.*>; give integers or texts"),
        ({"placed": [1, 2, 3]}, "placed is int64; give timestamps, dates or ISO 8601 texts"),
        ({"placed": [[1], [2], [3]]}, "placed is list<.*>; give timestamps"),
        ({"gift": [b"1"] * 3}, "gift is binary; give booleans"),
    ],
)
def test_types_that_have_no_value_are_refused_in_one_line(
    tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(DataFileError, match=text) as error:
        read(tmp_path, **changes)

    assert "\n" not in str(error.value)
    assert "rows.parquet: " in str(error.value)


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
@pytest.mark.parametrize("column", ["weight", "placed", "price", "age"])
def test_an_absent_column_is_named_with_the_remedy(tmp_path: Path, name: str, column: str) -> None:
    path = tmp_path / name
    table = pa.table(COLUMNS).drop_columns([column])
    (pc.write_csv if path.suffix == ".csv" else pq.write_table)(table, path)

    with pytest.raises(DataFileError, match=rf"{name}: has no column {column}; rename it there or"):
        read_file(SCHEMA, path)


def test_a_pandas_index_is_a_column_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "frame.parquet"
    frame = pd.DataFrame({
        name: values.to_pylist() if isinstance(values, pa.Array) else values
        for name, values in COLUMNS.items()
    })  # fmt: skip
    frame.set_index(["shop", "placed"]).to_parquet(path)

    rows = read_file(SCHEMA, path).rows(SCHEMA)

    assert rows.columns["shop"].tolist() == ["a", "b", "007"]
    assert not np.isnat(rows.event_times).any()


def test_rows_come_in_the_order_of_time(tmp_path: Path) -> None:
    times = [date(2021, 1, 3), None, date(2021, 1, 2)]

    rows = read(tmp_path, placed=pa.array(times)).rows(SCHEMA)

    assert rows.target.tolist() == [3, 1, 2]


def test_csv_numbers_may_be_not_available_and_categories_may_be_called_so(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(
        "placed,shop,area,weight,age,gift,app,notes,price\n"
        "2021-01-02 03:04:05,NA,NA,1e2,NA,TRUE,null,0,NA\n"
        "2021-01-02T03:04:05Z,N/A,3.0,abc,1_0,2,y,0,7\n"
    )

    file = read_file(SCHEMA, path)
    rows = file.rows(SCHEMA)

    assert rows.columns["shop"].tolist() == ["NA", "N/A"]
    assert rows.columns["area"].tolist() == [MISSING_INTEGER, 3]
    assert rows.columns["app"].tolist() == ["null", "y"]
    assert np.isnan(rows.target[0])
    assert {tuple(map(str, key)) for key in file.refusals(SCHEMA)} == {
        ("weight", "type"), ("age", "type"), ("gift", "type"),
    }  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"PAR1 is not this", b"\xff\xfe\x00"])
@pytest.mark.parametrize("name", ["broken.parquet", "broken.csv"])
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(DataFileError, match="broken") as error:
        read_file(SCHEMA, path)
    assert "\n" not in str(error.value)
    with pytest.raises(DataFileError, match=r"absent\.parquet: no such file"):
        read_file(SCHEMA, tmp_path / "absent.parquet")


def test_a_column_of_predictions_has_numbers_only(tmp_path: Path) -> None:
    assert read_numbers(written(tmp_path / "a.csv"), "age")[1:].tolist() == [1, 2]
    with pytest.raises(DataFileError, match="shop has values that are no finite numbers"):
        read_numbers(written(tmp_path / "b.parquet"), "shop")


@settings(max_examples=60, deadline=None)
@given(schemas(), st.integers(1, 10**6), st.sampled_from([".parquet", ".csv"]))
def test_rows_of_any_schema_come_back_from_a_file(
    tmp_path_factory: pytest.TempPathFactory, schema: Schema, seed: int, ending: str
) -> None:
    rows = labelled(schema, 20, seed)
    path = tmp_path_factory.mktemp("any") / f"rows{ending}"
    table: dict[str, Any] = {}
    for column in schema.columns:
        values = rows.columns[column.name].tolist()
        missing = MISSING[column.type]
        table[column.name] = pa.array(
            [None if value == missing or str(value) == "nan" else value for value in values]
        )
    table[schema.target.name] = pa.array(rows.target)
    if schema.event_time is not None:
        table[schema.event_time.name] = pa.array(rows.event_times)
    (pc.write_csv if ending == ".csv" else pq.write_table)(pa.table(table), path)

    file = read_file(schema, path)
    back = file.rows(schema)

    assert accepted(schema, file.columns).all()
    for name, values in rows.columns.items():
        if values.dtype == object:
            assert back.columns[name].tolist() == values.tolist()
        else:
            np.testing.assert_array_equal(back.columns[name], values)
    np.testing.assert_array_equal(back.target, rows.target)
    np.testing.assert_array_equal(back.event_times, rows.event_times)
