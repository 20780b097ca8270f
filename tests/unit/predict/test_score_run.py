"""Whole runs over files: what comes out, what is said, and how it ends."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from support.artifacts import artifact_for, linear_of, random_rows
from support.labelled import orders
from typer.testing import CliRunner, Result

from taxi_predict.batch.main import app
from taxi_schema.column import Kind
from taxi_schema.features import derive
from taxi_store.registry.artifacts import pack

SCHEMA = orders()
MODEL = linear_of(SCHEMA, random_rows(SCHEMA))
VERSION = artifact_for(SCHEMA, MODEL).version


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "champion.tar"
    path.write_bytes(pack(artifact_for(SCHEMA, MODEL).files))
    return path


def written(path: Path, rows: int = 10, seed: int = 1, **changes: Any) -> Path:
    """Write rows as a file; `changes` replaces columns, None leaves one out."""
    drawn = random_rows(SCHEMA, rows, seed)
    columns: dict[str, Any] = {SCHEMA.id: [f"{path.stem}-{row.id}" for row in drawn]}
    for place, column in enumerate(SCHEMA.columns):
        columns[column.name] = [row.values[place] for row in drawn]
    columns["placed"] = pa.array([row.event_time for row in drawn], pa.timestamp("us"))
    columns["price"] = [1.0] * rows
    columns |= changes
    table = pa.table({name: values for name, values in columns.items() if values is not None})
    if path.suffix == ".csv":
        pc.write_csv(table, path)
    else:
        pq.write_table(table, path)
    return path


def score(archive: Path, *arguments: object) -> Result:
    options = ["score", "--model", str(archive), *map(str, arguments)]
    return CliRunner().invoke(app, options, catch_exceptions=False)


def rows_of(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def answers(seed: int, rows: int = 10) -> list[float]:
    features = map(derive(SCHEMA), random_rows(SCHEMA, rows, seed))
    return [MODEL.answer(SCHEMA, row) for row in features]


def test_each_row_has_its_answer_and_kept_columns(archive: Path, tmp_path: Path) -> None:
    first = written(tmp_path / "a.parquet", shop=pa.array(["A", "B"] * 5).dictionary_encode())
    second, out = written(tmp_path / "b.parquet", seed=2), tmp_path / "out.parquet"

    done = score(archive, first, second, out, "--keep", "shop", "--keep", "area")

    assert done.exit_code == 0, done.output
    assert done.stdout == f"{out}: 20 of 20 rows answered by {VERSION}\n"
    table = pq.read_table(out)
    types = [pa.string(), pa.float64(), pa.string(), pa.string(), pa.string(), pa.int64()]
    names = ["order", "prediction", "model_version", "problem", "shop", "area"]
    assert list(zip(table.schema.names, table.schema.types, strict=True)) == list(
        zip(names, types, strict=True)
    )
    found = rows_of(out)
    assert [row["order"] for row in found] == [
        f"{name}-r{number}" for name in "ab" for number in range(10)
    ]
    assert [row["prediction"] for row in found][10:] == pytest.approx(answers(2), rel=1e-5)
    assert {row["model_version"] for row in found} == {VERSION}
    assert {row["problem"] for row in found} == {None}
    assert [row["shop"] for row in found[:10]] == ["A", "B"] * 5
    assert not list(tmp_path.glob("out.parquet.*"))


def test_all_of_a_labelled_row_can_be_kept(archive: Path, tmp_path: Path) -> None:
    rows, out = written(tmp_path / "a.parquet", age=None, other=["x"] * 10), tmp_path / "out"

    assert score(archive, rows, out, "--keep-all", "--keep", "other").exit_code == 0

    names = [column.name for column in SCHEMA.columns if column.name != "age"]
    expected = ["order", "prediction", "model_version", "problem", "placed", *names, "price"]
    assert pq.read_schema(out).names == [*expected, "other"]
    assert {row["price"] for row in rows_of(out)} == {1.0}


def test_refused_rows_are_told_by_column_and_reason(archive: Path, tmp_path: Path) -> None:
    rows = written(
        tmp_path / "a.parquet",
        weight=[-1.0, 2.0, None, 2000.0, *[1.0] * 6],
        shop=[None, *["A"] * 9],
        placed=["2021-01-01T08:00:00", "yesterday", None, *["2021-01-01"] * 7],
    )
    out = tmp_path / "out.parquet"

    done = score(archive, rows, out)

    assert done.exit_code == 0, done.output
    assert sorted(done.stderr.splitlines()) == [
        "placed: is of another type: 1 rows have no answer",
        "shop: is missing: 1 rows have no answer",
        "weight: is missing: 1 rows have no answer",
        "weight: outside of the limits: 2 rows have no answer",
    ]
    found = rows_of(out)
    assert [row["problem"] for row in found[:5]] == [
        "shop: is missing; weight: outside of the limits", "placed: is of another type",
        "weight: is missing", "weight: outside of the limits", None,
    ]  # fmt: skip
    assert [row["prediction"] is None for row in found] == [True] * 4 + [False] * 6


def test_too_many_refused_rows_are_a_failure_with_the_output_there(
    archive: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows, out = written(tmp_path / "a.parquet", weight=[-1.0] * 4 + [1.0] * 6), tmp_path / "out"

    assert score(archive, rows, out, "--max-refused-share", "0.4").exit_code == 0
    assert score(archive, rows, out, "--max-refused-share", "0.39").exit_code == 1
    assert "4 of 10 rows have no answer" in caplog.text
    assert len(rows_of(out)) == 10
    none = written(tmp_path / "b.parquet", weight=[-1.0] * 10)
    assert score(archive, none, out).exit_code == 1
    assert "no row could be answered" in caplog.text


def test_ids_that_are_missing_are_made_and_stay_the_same(archive: Path, tmp_path: Path) -> None:
    ids = ["mine", None, "not an id!", "", *[f"r{n}" for n in range(6)]]
    rows, out = written(tmp_path / "a.parquet", order=ids), tmp_path / "out.parquet"

    first = score(archive, rows, out)
    made = [row["order"] for row in rows_of(out)]
    copy = tmp_path / "other-name.parquet"
    copy.write_bytes(rows.read_bytes())
    score(archive, copy, out)

    assert "order: 3 rows have an id that was made" in first.stderr
    assert [made[0], *made[4:]] == [ids[0], *ids[4:]]
    assert len(set(made)) == 10
    assert [row["order"] for row in rows_of(out)] == made
    without = written(tmp_path / "b.parquet", order=None)
    assert score(archive, without, out).exit_code == 0
    assert len({row["order"] for row in rows_of(out)} - set(made)) == 10


def test_of_doubled_ids_the_first_is_answered(archive: Path, tmp_path: Path) -> None:
    first = written(tmp_path / "a.parquet", order=["x", "y", "x", *"bcdefgh"])
    second = written(tmp_path / "b.parquet", order=["y", *"klmnopqrs"])
    out = tmp_path / "out.parquet"

    done = score(archive, first, second, first, out)

    assert done.stderr.splitlines()[0] == "order: came before: 12 rows have no answer"
    found = rows_of(out)
    assert [row["prediction"] is None for row in found[:11]] == [False] * 2 + [True] + [
        False
    ] * 7 + [True]
    assert {row["problem"] for row in found[20:]} == {"order: came before"}


def test_the_id_of_a_refused_row_is_free_for_another_row(archive: Path, tmp_path: Path) -> None:
    ids = ["x", "x", "x", *"bcdefgh"]
    rows = written(tmp_path / "a.parquet", order=ids, weight=[-1.0, *[1.0] * 9])
    out = tmp_path / "out.parquet"

    score(archive, rows, out)

    assert [row["problem"] for row in rows_of(out)[:4]] == [
        "weight: outside of the limits", None, "order: came before", None,
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_no_rows_are_an_empty_output_of_the_same_types(
    archive: Path, tmp_path: Path, suffix: str
) -> None:
    some, out = written(tmp_path / "a.parquet"), tmp_path / "out.parquet"
    score(archive, some, out, "--keep", "shop")
    types = pq.read_schema(out)
    empty = tmp_path / f"b.{suffix}"
    table = pq.read_table(some).slice(0, 0)
    pq.write_table(table, empty) if suffix == "parquet" else pc.write_csv(table, empty)

    done = score(archive, empty, out, "--keep", "shop")

    assert (done.exit_code, done.stderr.splitlines()[0]) == (0, "no rows")
    assert pq.read_table(out).num_rows == 0
    assert pq.read_schema(out) == types


def test_a_folder_of_both_kinds_and_absent_optional_columns(archive: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out.parquet"
    folder.mkdir()
    written(folder / "b.csv", seed=2)
    written(folder / "a.parquet", placed=None, area=None, age=None)

    done = score(archive, folder, out, "--keep", "shop")

    assert done.exit_code == 0, done.output
    found = rows_of(out)
    assert [row["order"][0] for row in found] == ["a"] * 10 + ["b"] * 10
    assert [row["prediction"] for row in found][10:] == pytest.approx(answers(2), rel=1e-5)
    assert {column.name for column in SCHEMA.columns if column.nullable} == {"area", "age"}


WRONG: list[tuple[Sequence[str], int, str]] = [
    (["in.parquet", "out.parquet", "--keep", "absent"], 1, "has no column absent"),
    (["in.parquet", "out.parquet", "--keep", "problem"], 2, "problem is a column of OUT already"),
    (["absent.parquet", "out.parquet"], 1, "no such file"),
    (["half.parquet", "out.parquet"], 1, "cannot be read as parquet"),
    (["other.parquet", "out.parquet"], 1, "has no column weight"),
    (["text.parquet", "out.parquet"], 1, "weight is timestamp"),
    (["in.parquet", "in.parquet"], 2, "name a file beside the input"),
    ([".", "out.parquet"], 2, "name a file beside the input"),
    (["in.parquet", "absent/out.parquet"], 2, "name a file in a folder that is there"),
    (["in.parquet", "ids.csv", "out.parquet", "--keep", "area"], 1, "area is string, and int64"),
    (["in.parquet", "out.parquet", "--answered-at", "event-time"], 2, "add --log"),
    (["in.parquet", "out.parquet", "--log"], 2, "TAXI_MONGODB_URI: is not set"),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_done_is_said_and_nothing_is_left(
    wrong: tuple[Sequence[str], int, str], archive: Path, tmp_path: Path,
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    arguments, code, text = wrong
    whole = written(tmp_path / "in.parquet").read_bytes()
    (tmp_path / "half.parquet").write_bytes(whole[: len(whole) // 2])
    written(tmp_path / "other.parquet", weight=None)
    written(tmp_path / "text.parquet", weight=pa.array([0] * 10, pa.timestamp("us")))
    written(tmp_path / "ids.csv")
    monkeypatch.chdir(tmp_path)

    done = score(archive, *arguments)

    assert done.exit_code == code, done.output
    assert text in caplog.text
    assert not Path("out.parquet").exists()
    assert Path("in.parquet").read_bytes() == whole


@pytest.mark.parametrize(
    "wrong",
    [
        ("absent.tar", 1, "No such file"),
        ("damaged.tar", 1, "is damaged"),
        ("no-model", 2, "'no-model' is no model"),
        ("orders@best", 2, "'orders@best' is no model"),
        ("orders@champion", 2, "TAXI_MONGODB_URI: is not set"),
    ],
)
def test_a_model_that_cannot_be_had_is_said(
    wrong: tuple[str, int, str], tmp_path: Path,
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    model, code, text = wrong
    monkeypatch.chdir(tmp_path)
    Path("damaged.tar").write_bytes(b"x" * 2000)
    written(Path("in.parquet"))

    done = score(Path(model), "in.parquet", "out.parquet")

    assert (done.exit_code, text in caplog.text) == (code, True), caplog.text


def test_booleans_may_be_numbers_in_a_file(archive: Path, tmp_path: Path) -> None:
    drawn = random_rows(SCHEMA, 10)
    (place,) = (n for n, column in enumerate(SCHEMA.columns) if column.kind is Kind.BOOLEAN)
    rows = written(tmp_path / "a.parquet", gift=[int(bool(row.values[place])) for row in drawn])
    score(archive, rows, tmp_path / "numbers")
    score(archive, written(tmp_path / "a.parquet"), tmp_path / "booleans")

    assert rows_of(tmp_path / "numbers") == rows_of(tmp_path / "booleans")
