"""The full report of files that never were in the log."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow as pa
import pytest
from support.check_files import predicted, write_artifact, write_rows, write_schema
from support.labelled import DOCUMENT, labelled, orders
from typer.testing import CliRunner, Result

from taxi_report.main import app
from taxi_report.render.page import page_of
from taxi_report.render.schema import report_schema
from taxi_schema.reading import schema_of

SCHEMA = orders()
ROWS = predicted(SCHEMA, 3000, 1)
NEW = predicted(SCHEMA, 1500, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files")
    write_schema(SCHEMA, path)
    write_artifact(path / "reference.tar", SCHEMA, ROWS)
    write_rows(path / "rows.parquet", SCHEMA, NEW)
    return path


def run(*options: object) -> Result:
    return CliRunner().invoke(app, ["run", *map(str, options)])


def report(folder: Path, out: Path, *options: object) -> dict[str, Any]:
    found = run("--against", folder / "reference.tar", "--out", out, "--output", "json", *options)
    assert found.exit_code == 0, found.output
    (path,) = out.glob("*.json")
    document: dict[str, Any] = json.loads(path.read_bytes())
    jsonschema.validate(document, report_schema())
    return document


def test_it_is_the_report_of_its_rows(folder: Path, tmp_path: Path) -> None:
    found = report(folder, tmp_path, "--data", folder / "rows.parquet")

    assert found["id"] == "m-20201231T230000Z-20210106T230000Z"
    assert found["served"]["rows"] == 1500
    assert found["served"]["rows_before"] is None
    (version,) = found["versions"]
    assert version["verdict"] == "no drift"
    assert version["performance"]["rmse"] == pytest.approx(
        float(np.sqrt(np.mean((NEW.prediction - NEW.target) ** 2)))
    )
    assert version["roles"] == {"file": 1500}
    buckets = version["timeline"]["buckets"]
    assert sum(one["rows"] for one in buckets) == 1500
    # A row every five minutes, local times of Berlin in winter.
    assert buckets[0]["start"] == datetime(2020, 12, 31, 23, tzinfo=UTC).isoformat(
        timespec="milliseconds"
    )
    assert found["problems"] == []
    assert "1,500 rows in the files." in found["words"]


def test_the_same_files_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        report(folder, tmp_path / name, "--data", folder / "rows.parquet")
    (first,), (second,) = ((tmp_path / name).iterdir() for name in ("a", "b"))

    assert first.read_bytes() == second.read_bytes()


def test_clocks_that_are_years_off_do_not_stretch_it(folder: Path, tmp_path: Path) -> None:
    times = NEW.event_times.copy()
    times[7] = np.datetime64("2008-12-31T23:00:00")
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW, placed=pa.array(times))

    found = report(folder, tmp_path / "out", "--data", path)

    assert found["span"]["local_from"].startswith("2021-01-01T00:00:00")
    assert found["problems"][0].startswith("1 rows have an event time days away from all others")
    assert found["served"]["rows"] == 1500


def test_what_is_refused_or_doubled_is_said(folder: Path, tmp_path: Path) -> None:
    weight = NEW.columns["weight"].copy()
    weight[:3] = -1
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW, weight=pa.array(weight), age=None)

    found = report(folder, tmp_path / "out", "--data", path, "--data", path)

    assert found["served"]["refused"] == 6
    assert found["problems"] == [
        "age: cannot be read in 2 of 2 files (3,000 rows): "
        f"{path} has no such column, or more than one.",
        "weight: 6 rows refused: limits.",
        "1,500 rows have an id that came before, such as r0, r1, r2.",
    ]


def test_files_without_times_are_in_their_order(tmp_path: Path) -> None:
    document = {key: value for key, value in DOCUMENT.items() if key != "event_time"}
    schema = schema_of(document | {"derived": {}})
    write_schema(schema, tmp_path)
    rows = labelled(schema, 2000)
    reference = write_rows(tmp_path / "reference.parquet", schema, rows)
    data = write_rows(tmp_path / "rows.parquet", schema, labelled(schema, 1000, 5))

    found = run(
        "--data", data, "--against", reference, "--schema", tmp_path / "schema.toml", "--out",
        tmp_path / "out", "--output", "json",
    )  # fmt: skip

    assert found.exit_code == 0, found.output
    (path,) = (tmp_path / "out").glob("*.json")
    document = json.loads(path.read_bytes())
    jsonschema.validate(document, report_schema())
    (version,) = document["versions"]
    assert document["span"]["from"] == "1970-01-01T00:00:00+00:00"
    assert [one["rows"] for one in version["timeline"]["buckets"]] == [900, 100]
    # Neither side has predictions: nothing is said of them, and nothing is zero.
    (prediction,) = (one for one in version["columns"] if one["name"] == "prediction")
    assert prediction["score"] is None
    assert version["performance"] is None
    assert version["reference"]["rmse"] is None
    assert all(one["prediction_drift"] is None for one in version["slices"])
    assert b"<title>files: no drift" in page_of(document, {})


@pytest.mark.parametrize("placed", [None, pa.nulls(1500, pa.timestamp("us"))])
def test_rows_of_which_none_has_a_time_are_in_their_order(
    folder: Path, tmp_path: Path, placed: pa.Array | None
) -> None:
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW, placed=placed)

    found = report(folder, tmp_path / "out", "--data", path)

    (version,) = found["versions"]
    assert found["span"]["from"] == "1970-01-01T00:00:00+00:00"
    assert [bucket["rows"] for bucket in version["timeline"]["buckets"]] == [900, 600]


def test_rows_before_the_first_time_have_that(folder: Path, tmp_path: Path) -> None:
    times = NEW.event_times.copy()
    times[:700] = np.datetime64("NaT")
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW, placed=pa.array(times))
    untimed = write_rows(tmp_path / "a.parquet", SCHEMA, NEW[:100], prefix="a", placed=None)

    found = report(folder, tmp_path / "out", "--data", untimed, "--data", path)

    (version,) = found["versions"]
    buckets = version["timeline"]["buckets"]
    first = next(bucket for bucket in buckets if bucket["rows"])
    # 700 times five minutes after midnight in Berlin.
    assert found["span"]["local_from"].startswith("2021-01-03T00:00:00")
    assert first["start"] <= "2021-01-03T09:20:00"
    assert first["rows"] >= 801
    assert sum(bucket["rows"] for bucket in buckets) == 1600


def test_no_rows_make_a_report_without_a_version(folder: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW[:0])

    found = report(folder, tmp_path / "out", "--data", path)

    assert found["verdict"] == "no rows"
    assert found["versions"] == []


@pytest.mark.parametrize(
    "options",
    [
        ("--data", "rows.parquet", "--against", "reference.tar"),
        ("--data", "rows.parquet", "--out", "out"),
        ("--data", "rows.parquet", "--out", "out", "--against", "reference.tar", "--last", "1d"),
    ],
)
def test_options_that_do_not_fit_end_with_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(folder)

    assert run(*options).exit_code == 2
