"""Tables for `make try`: cut in order, in the schema's types, or refused by file and remedy."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from taxi_domain.errors import TaxiError
from taxi_local.tables import EXAMPLE, own, rides
from taxi_schema.reading import read_schema
from taxi_schema.requests import RequestParser
from taxi_stories.rows import bodies_of

MODELS = Path(__file__).parents[3] / "models"
FLIGHTS = MODELS / "flight_delay" / "schema.toml"
SAMPLE = MODELS / "flight_delay" / "samples" / "flights-2013-01.parquet"
SCHEMA = read_schema(FLIGHTS)
ROWS = 2600


def flights(folder: Path, name: str = "rows.parquet", **changes: Any) -> Path:
    """Write flights, some columns of other types or values."""
    table = pq.read_table(SAMPLE).slice(0, ROWS)
    for column, array in changes.items():
        place = table.column_names.index(column)
        table = table.set_column(place, column, array)
    (pc.write_csv if name.endswith(".csv") else pq.write_table)(table, folder / name)
    return folder / name


def column(name: str) -> pa.ChunkedArray:
    return pq.read_table(SAMPLE)[name].slice(0, ROWS)


def sent(folder: Path, data: Path) -> list[dict[str, object]]:
    """Return the bodies of the traffic; each is JSON that the predictor takes."""
    parser = RequestParser(SCHEMA)
    bodies = [row.body for row in bodies_of(SCHEMA, own(folder, FLIGHTS, data).traffic)]
    for body in bodies:
        parser.parse(json.loads(json.dumps(body, allow_nan=False)))
    return bodies


NUMBERS = column("dep_delay").to_numpy()
FORMS: dict[str, dict[str, Any]] = {
    "nanoseconds": {"scheduled_departure": column("scheduled_departure").cast("timestamp[ns]")},
    "texts": {"scheduled_departure": column("scheduled_departure").cast("string")},
    "not a number": {"dep_delay": pa.array(NUMBERS.astype(float))},
    "decimals": {"distance": column("distance").cast("int32").cast(pa.decimal128(12, 2))},
    "dictionaries": {"carrier": column("carrier").dictionary_encode()},
}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_sent_does_not_depend_on_the_types_of_the_file(tmp_path: Path, form: str) -> None:
    bodies = sent(tmp_path, flights(tmp_path))

    assert sent(tmp_path, flights(tmp_path, "other.parquet", **FORMS[form])) == bodies


def test_csv_is_sent_like_parquet(tmp_path: Path) -> None:
    assert sent(tmp_path, flights(tmp_path, "rows.csv")) == sent(tmp_path, flights(tmp_path))


def test_the_first_model_gets_the_first_half_of_the_time(tmp_path: Path) -> None:
    shuffled = pq.read_table(flights(tmp_path)).take(np.random.default_rng(1).permutation(ROWS))
    pq.write_table(shuffled, tmp_path / "shuffled.parquet")

    tables = own(tmp_path, FLIGHTS, tmp_path / "shuffled.parquet")

    first = pq.read_table(tables.first)
    assert len(first) == len(tables.traffic) == ROWS // 2
    assert first["scheduled_departure"].to_pylist() == sorted(
        first["scheduled_departure"].to_pylist()
    )
    later = tables.traffic["scheduled_departure"][0].as_py()
    assert first["scheduled_departure"][-1].as_py() <= later
    by_id = dict(zip(*(shuffled[name].to_pylist() for name in ("flight_id", "dest")), strict=True))
    for row in tables.traffic.to_pylist():
        assert by_id[row["flight_id"]] == row["dest"]


@pytest.mark.parametrize(
    "ids", [["a b", *range(1, ROWS)], [0, *range(ROWS - 1)], [None, *range(1, ROWS)]],
    ids=["invalid", "repeated", "missing"],
)  # fmt: skip
def test_ids_that_no_predictor_takes_are_replaced(tmp_path: Path, ids: list[object]) -> None:
    texts = pa.array([None if key is None else str(key) for key in ids])

    bodies = sent(tmp_path, flights(tmp_path, flight_id=texts))

    assert bodies[0]["flight_id"] == f"row-{ROWS // 2:08d}"
    assert len({body["flight_id"] for body in bodies}) == len(bodies)


def test_integers_may_be_ids(tmp_path: Path) -> None:
    bodies = sent(tmp_path, flights(tmp_path, flight_id=pa.array(range(ROWS))))

    assert bodies[0]["flight_id"] == str(ROWS // 2)


def test_the_first_rides_of_the_example_are_of_all_its_days(tmp_path: Path) -> None:
    tables = rides(tmp_path)

    before = pq.read_table(EXAMPLE / "samples" / "green-2020-03-before.parquet")
    first = pq.read_table(tables.first)
    assert 30_000 < len(first) < len(before) / 3
    times = first["lpep_pickup_datetime"]
    days = np.unique(before["lpep_pickup_datetime"].to_numpy().astype("datetime64[D]"))
    assert list(np.unique(times.to_numpy().astype("datetime64[D]"))) == list(days)
    assert len(tables.traffic) > 10_000
    assert tables.traffic["ride_id"][7].as_py() == "row-00000007"


@pytest.mark.parametrize(
    ("schema", "data", "text"),
    [
        ("nowhere.toml", SAMPLE, "nowhere.toml: cannot be read .*; give the path of a schema"),
        ("bad.toml", SAMPLE, r"bad.toml: columns.distance.kind: .*; "),
        ("no.toml", SAMPLE, r"no.toml: schema: is not TOML \(.*\); correct the file"),
        (FLIGHTS, "nowhere.parquet", "nowhere.parquet: no such file; give a parquet or CSV"),
        (FLIGHTS, "no.toml", "no.toml: cannot be read as parquet .*; write it again"),
        (FLIGHTS, "folder", "folder: cannot be read as parquet .*; write it again"),
        (MODELS / "taxi_duration" / "schema.toml", SAMPLE, "has no column PULocationID; rename it"),
        (
            FLIGHTS, "shifted.parquet",
            "shifted.parquet: the first 1300 rows train no model: 100% of the labels are outside",
        ),
        (FLIGHTS, "empty.parquet", "empty.parquet: the first 0 rows train no model: has no row"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used_are_named(
    tmp_path: Path, schema: str | Path, data: str | Path, text: str
) -> None:
    bad = FLIGHTS.read_text().replace('kind        = "number"', 'kind = "figure"', 1)
    (tmp_path / "bad.toml").write_text(bad)
    (tmp_path / "no.toml").write_text("[[[")
    (tmp_path / "folder").mkdir()
    flights(tmp_path, "shifted.parquet", arr_delay=pa.array([5000] * ROWS))
    pq.write_table(pq.read_table(SAMPLE).slice(0, 0), tmp_path / "empty.parquet")

    with pytest.raises(TaxiError) as error:
        own(tmp_path, tmp_path / schema, tmp_path / data)

    (line,) = str(error.value).splitlines()
    assert re.search(text, line), line
