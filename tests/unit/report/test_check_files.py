"""A check of files: what is counted, what is compared, and what a broken file does."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.check_files import checked, predicted, write_artifact, write_rows, write_schema
from support.labelled import DOCUMENT, orders

from taxi_domain.errors import FieldError, TaxiError
from taxi_files.reading import DataFileError
from taxi_report.check.document import json_of
from taxi_report.collect import against as against_module
from taxi_report.collect.against import OtherSchemaError
from taxi_report.collect.reference import NoReferenceError

SCHEMA = orders()
ROWS = predicted(SCHEMA, 4000, 1)
NEW = predicted(SCHEMA, 1500, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("check")
    write_schema(SCHEMA, path)
    # Rows are calibrated at each check, an artifact was once.
    write_artifact(path / "reference.tar", SCHEMA, ROWS)
    write_rows(path / "reference.parquet", SCHEMA, ROWS)
    return path


def result(folder: Path, *data: Path, checks: str | None = None) -> dict[str, Any]:
    return checked(folder, folder / "reference.tar", *data, checks=checks).document


def state(document: dict[str, Any], name: str, column: str | None = None) -> dict[str, Any]:
    (found,) = (
        one for one in document["conditions"] if (one["condition"], one["column"]) == (name, column)
    )
    return dict(found)


def test_like_rows_pass_and_the_same_check_is_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW)

    found = result(folder, path)

    assert found["verdict"] == "conditions met"
    assert found["rows"] == {
        "read": 1500, "compared": 1500, "labelled": 1500, "refused": 0, "refusals": [],
        "doubled_ids": 0, "doubled_examples": [], "without_id": 0,
    }  # fmt: skip
    assert found["problems"] == []
    assert {one["state"] for one in found["conditions"]} == {"met"}
    assert [one["condition"] for one in found["conditions"] if one["column"] == "weight"] == [
        "max_drift", "max_null_share",
    ]  # fmt: skip
    assert state(found, "max_error")["value"] < 1
    assert json_of(found) == json_of(result(folder, path))


def test_rows_as_a_reference_are_as_good_as_their_artifact(folder: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW)

    rows = checked(folder, folder / "reference.parquet", path).document
    artifact = result(folder, path)

    assert rows["conditions"] == artifact["conditions"]
    assert rows["schema"] == artifact["schema"]
    assert rows["reference"]["version"] is None
    assert len(artifact["reference"]["version"]) == 12


def test_a_column_that_moved_fails(folder: Path, tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "rows.parquet", SCHEMA, NEW, weight=pa.array(NEW.columns["weight"] + 300)
    )

    found = result(folder, path)

    assert found["verdict"] == "conditions not met"
    drift = state(found, "max_drift", "weight")
    assert drift["failed"]
    assert drift["value"] > 1
    assert "not below 1" in drift["reason"]
    assert not state(found, "max_drift", "shop")["failed"]


def test_the_error_is_compared_with_the_references(folder: Path, tmp_path: Path) -> None:
    worse = NEW.predicted(NEW.target + 3 * (NEW.prediction - NEW.target))
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, worse)
    checks = "[error]\nmax_rmse_ratio = 2\nmax_rmse = 1.5\nmax_bias = 10\nmax_mae = 10\nmax_error=1"

    found = result(folder, path, checks=checks)

    assert state(found, "max_rmse_ratio")["value"] == pytest.approx(3, rel=0.1)
    assert {one["condition"] for one in found["conditions"] if one["failed"]} == {
        "max_rmse_ratio", "max_rmse", "max_error",
    }  # fmt: skip


def test_without_predictions_the_error_is_not_evaluated_and_never_zero(
    folder: Path, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW, prediction=None)

    found = result(folder, path)
    asked = result(folder, path, checks="[error]\nmax_rmse = 5")
    may_miss = result(folder, path, checks="[error]\nmax_rmse = 5\nrequired = false")

    assert state(found, "max_error")["state"] == "not evaluated"
    assert state(found, "max_error")["value"] is None
    assert found["verdict"] == may_miss["verdict"] == "conditions met"
    assert asked["verdict"] == "conditions not met"
    assert state(asked, "max_rmse")["state"] == "not evaluated"


def test_a_reference_without_predictions_compares_all_else(folder: Path, tmp_path: Path) -> None:
    reference = write_rows(
        tmp_path / "reference.parquet", SCHEMA, ROWS, prediction=None, price=None
    )
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW)

    found = checked(
        folder, reference, path, checks="[error]\nmax_rmse=9\nmax_rmse_ratio=2"
    ).document
    whole = result(folder, path)

    assert state(found, "max_rmse")["state"] == "met"
    ratio = state(found, "max_rmse_ratio")
    assert ratio["state"] == "not evaluated"
    assert "the reference has no errors" in ratio["reason"]
    for column in ("shop", "area", "weight", "age", "gift"):
        assert state(found, "max_drift", column) == state(whole, "max_drift", column)


def test_a_reference_without_any_error_is_the_reason_that_errors_are_not_compared(
    folder: Path, tmp_path: Path
) -> None:
    exact = write_rows(
        tmp_path / "reference.parquet", SCHEMA, ROWS, prediction=pa.array(ROWS.target)
    )
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW)

    found = checked(folder, exact, path).document

    error = state(found, "max_error")
    assert error["state"] == "not evaluated"
    assert "the reference has no error at all" in error["reason"]


def test_few_rows_are_not_judged_by_thresholds(folder: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW[:30])

    found = result(folder, path)
    asked = result(folder, path, checks="[columns.weight]\nmax_drift = 1")

    assert state(found, "max_drift", "weight")["state"] == "not evaluated"
    assert found["verdict"] == "conditions met"
    assert asked["verdict"] == "conditions not met"


def test_refused_rows_are_said_once_a_column_and_not_compared(folder: Path, tmp_path: Path) -> None:
    weight = NEW.columns["weight"].copy()
    weight[:200] = -5
    shop = [None if place < 100 else one for place, one in enumerate(NEW.columns["shop"].tolist())]
    path = write_rows(
        tmp_path / "rows.parquet", SCHEMA, NEW, weight=pa.array(weight), shop=pa.array(shop)
    )

    found = result(folder, path, checks="[columns.weight]\nmax_refused_share = 0.1")

    assert found["rows"]["refused"] == 200
    assert found["rows"]["compared"] == 1300
    assert found["rows"]["refusals"] == [
        {"column": "shop", "reason": "missing", "rows": 100},
        {"column": "weight", "reason": "limits", "rows": 200},
    ]
    assert state(found, "max_refused_share")["value"] == pytest.approx(200 / 1500)
    assert state(found, "max_refused_share", "weight")["failed"]
    assert state(found, "max_null_share", "shop")["value"] == pytest.approx(100 / 1500)
    assert state(found, "max_null_share", "shop")["failed"]


def test_ids_that_come_twice_are_counted_within_and_between_files(
    folder: Path, tmp_path: Path
) -> None:
    ids = pa.array([f"r{max(place, 10)}" for place in range(1500)])
    paths = [
        write_rows(tmp_path / "a.parquet", SCHEMA, NEW, order=ids),
        write_rows(tmp_path / "b.parquet", SCHEMA, NEW[:50], prefix="r"),
    ]

    found = result(folder, *paths)

    # Ten repeat r10 within the first; r10 to r49 are in both, r0 to r9 in the second alone.
    assert found["rows"]["doubled_ids"] == 10 + 40
    assert found["rows"]["doubled_examples"] == ["r10"] * 3
    assert state(found, "max_doubled_ids")["failed"]
    assert found["rows"]["read"] == 1550


def test_a_column_that_a_file_lacks_fails_and_the_others_are_compared(
    folder: Path, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW, weight=None)

    found = result(folder, path)

    assert len(found["problems"]) == 1
    assert found["problems"][0].startswith("weight: cannot be read in 1 of 1 files (1,500 rows)")
    assert state(found, "max_refused_share")["value"] == 1
    assert state(found, "max_null_share", "weight")["failed"]
    assert state(found, "max_drift", "weight")["state"] == "not evaluated"
    assert state(found, "max_drift", "shop")["state"] == "met"


def test_a_type_that_changes_between_files_is_said_once(folder: Path, tmp_path: Path) -> None:
    lists = pa.array([[1.0]] * 500)
    texts = pa.array(["heavy"] * 500)
    paths = [
        write_rows(tmp_path / "a.parquet", SCHEMA, NEW[:500], prefix="a"),
        write_rows(tmp_path / "b.parquet", SCHEMA, NEW[500:1000], prefix="b", weight=lists),
        write_rows(tmp_path / "c.parquet", SCHEMA, NEW[1000:], prefix="c", weight=texts),
    ]

    found = result(folder, *paths)

    (problem,) = found["problems"]
    assert "weight: cannot be read in 1 of 3 files (500 rows)" in problem
    assert "b.parquet: weight is list" in problem
    assert {"column": "weight", "reason": "type", "rows": 500} in found["rows"]["refusals"]
    assert state(found, "max_refused_share")["value"] == pytest.approx(1000 / 1500)


def test_no_rows_are_too_few(folder: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW[:0])

    found = result(folder, path)

    assert [one["condition"] for one in found["conditions"] if one["failed"]] == ["minimum"]
    assert found["rows"]["read"] == 0


def test_a_file_that_ends_in_the_middle_is_no_result(folder: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(DataFileError, match=r"rows\.parquet: cannot be read as parquet"):
        result(folder, path)


def test_a_file_of_something_else_is_no_result(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"z": [1.0], "order": ["1"], "price": [2.0]}), path)

    with pytest.raises(DataFileError, match="has no column of the schema"):
        result(folder, path)


def test_rows_without_times_are_not_judged_by_hours(folder: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW, placed=None)

    found = result(folder, path, checks="[defaults]\nmax_score = 0.1")

    assert found["problems"] == [
        f"placed: cannot be read in 1 of 1 files (1,500 rows): {path} has no such column, or more "
        "than one"
    ]
    assert "no event time" in state(found, "max_drift", "weight")["reason"]
    assert state(found, "max_score", "weight")["state"] == "met"


def test_a_large_reference_is_chosen_evenly(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(against_module, "MAX_REFERENCE_ROWS", 1000)
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW)

    found = checked(folder, folder / "reference.parquet", path).document

    assert found["reference"]["rows"] == 1000
    assert found["reference"]["of_rows"] == 4000
    assert found["verdict"] == "conditions met"


def test_a_reference_of_another_schema_is_refused(folder: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW)
    other = write_rows(tmp_path / "other.parquet", SCHEMA, ROWS, weight=None)

    with pytest.raises(NoReferenceError, match="weight: cannot be read in 1 of 1 files"):
        checked(folder, other, path)


def test_an_artifact_of_another_schema_is_refused_with_what_differs(
    folder: Path, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW)
    columns: list[dict[str, Any]] = [dict(one) for one in DOCUMENT["columns"]]
    columns[2]["maximum"] = 500
    write_schema(orders(columns=columns, title="Another title"), tmp_path)

    with pytest.raises(OtherSchemaError) as caught:
        checked(tmp_path, folder / "reference.tar", path)

    assert "weight.maximum is 1000 there and 500 in --schema; leave --schema out" in str(
        caught.value
    )


def test_a_schema_with_another_title_is_the_same(folder: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW)
    write_schema(orders(title="Another title"), tmp_path)

    assert checked(tmp_path, folder / "reference.tar", path).document == result(folder, path)


def test_a_damaged_artifact_is_refused(folder: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes((folder / "reference.tar").read_bytes()[:5000])

    with pytest.raises(TaxiError, match="artifact"):
        checked(folder, damaged, tmp_path)
    with pytest.raises(DataFileError, match=r"none\.tar: cannot be read"):
        checked(folder, tmp_path / "none.tar", tmp_path)


def test_a_reference_without_rows_is_refused(folder: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.parquet", SCHEMA, NEW)
    none = write_rows(tmp_path / "none.parquet", SCHEMA, ROWS[:0])
    bad = write_rows(
        tmp_path / "bad.parquet", SCHEMA, ROWS[:10], weight=pa.array(np.full(10, -1.0))
    )

    with pytest.raises(NoReferenceError, match="none of 0 rows suits the schema"):
        checked(folder, none, path)
    with pytest.raises(NoReferenceError, match=r"none of 10 rows suits .*weight limits"):
        checked(folder, bad, path)


def test_a_reference_that_is_nothing_is_a_usage_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="--reference: nothing is no file, and no version"):
        checked(folder, "nothing", tmp_path)
