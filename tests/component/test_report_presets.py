"""Evidently's presets on a sample, and what is stored of them."""

import gzip
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from support.report_rides import VERSION, collapse, compared
from support.taxi_columns import DISTANCE, PICKUP

from taxi_profiles.reference import PREDICTION, TARGET
from taxi_report.compare.drift import column_drift
from taxi_report.compare.performance import performance_of
from taxi_report.document import VersionFacts
from taxi_report.presets.run import DRIFT, REGRESSION, SUMMARY, PresetRuns, run_presets
from taxi_report.presets.storage import SnapshotError, packed, unpacked
from taxi_report.rows import Rows

WHEN = datetime(2020, 4, 1, 4, tzinfo=UTC)


def expected_rows() -> Rows:
    return collapse().expected.taken(range(0, 50_000, 12))


def current_rows() -> Rows:
    """Rows with all that real ones have: missing values, unseen zones, wild labels, no labels."""
    rows = collapse().current.taken(range(0, 14_000, 4))
    distance = rows.columns[DISTANCE].copy()
    distance[::50] = np.nan
    pickup = rows.columns[PICKUP].copy()
    pickup[::70] = 999.0
    labels = rows.labels.copy()
    labels[::40] = 1400.0
    labels[3::40] = np.nan
    return replace(
        rows, columns={**rows.columns, DISTANCE: distance, PICKUP: pickup}, labels=labels
    )


def presets(facts: VersionFacts, current: Rows, expected: Rows) -> PresetRuns:
    return run_presets(facts.layout, current, expected, timestamp=WHEN, metadata={"model": "m"})


def metrics(runs: PresetRuns, preset: str) -> list[dict[str, Any]]:
    return list(runs.snapshots[preset].dict()["metrics"])


@pytest.fixture(scope="module")
def rows() -> tuple[Rows, Rows]:
    return current_rows(), expected_rows()


@pytest.fixture(scope="module")
def facts(rows: tuple[Rows, Rows]) -> VersionFacts:
    return compared(rows[1], rows[0], None)


@pytest.fixture(scope="module")
def runs(facts: VersionFacts, rows: tuple[Rows, Rows]) -> PresetRuns:
    return presets(facts, *rows)


def test_three_presets_run_and_nothing_is_left_out(runs: PresetRuns) -> None:
    assert list(runs.snapshots) == [DRIFT, REGRESSION, SUMMARY]
    assert runs.problems == ()
    assert (runs.rows, runs.reference_rows) == (3500, 4167)


def test_drift_scores_agree_with_those_of_the_profiles(
    runs: PresetRuns, facts: VersionFacts
) -> None:
    theirs = {
        one["config"]["column"]: (one["config"]["method"], float(one["value"]))
        for one in metrics(runs, DRIFT)
        if "column" in one["config"]
    }
    columns = (*facts.layout.columns, facts.layout.target)
    assert set(theirs) == {one.name for one in columns}
    for column in columns:
        own = column_drift(column, facts.reference, facts.current, facts.expected, None)
        method, value = theirs[column.name]
        assert own.method == method
        assert own.score == pytest.approx(value, abs=1e-9, rel=0)


def test_errors_agree_with_those_of_the_profiles(runs: PresetRuns, facts: VersionFacts) -> None:
    found = {
        one["config"]["type"].rsplit(":", 1)[1]: one["value"] for one in metrics(runs, REGRESSION)
    }
    own = performance_of(facts.current)
    assert own is not None
    assert own.mape_ratio is not None
    assert own.mae == pytest.approx(found["MAE"]["mean"], abs=1e-9, rel=0)
    assert own.rmse == pytest.approx(found["RMSE"], abs=1e-9, rel=0)
    assert own.bias == pytest.approx(found["MeanError"]["mean"], abs=1e-9, rel=0)
    assert own.r2 == pytest.approx(found["R2Score"], abs=1e-9, rel=0)
    assert own.mape_ratio == pytest.approx(found["MAPE"]["mean"] / 100, abs=1e-9, rel=0)


def test_methods_and_thresholds_are_stated(runs: PresetRuns) -> None:
    for one in metrics(runs, DRIFT):
        if "column" in one["config"]:
            assert one["config"]["threshold"] == 0.1
            assert one["config"]["method"] in {"wasserstein", "jensenshannon"}


def test_a_column_that_is_empty_on_one_side_is_left_out_by_name(
    facts: VersionFacts, rows: tuple[Rows, Rows]
) -> None:
    current, expected = rows
    empty = {**current.columns, DISTANCE: np.full(len(current), np.nan)}

    runs = presets(facts, replace(current, columns=empty), expected)

    assert list(runs.snapshots) == [DRIFT, REGRESSION, SUMMARY]
    assert [one.split(":")[0] for one in runs.problems] == [DISTANCE]
    compared_columns = {one["config"].get("column") for one in metrics(runs, DRIFT)}
    assert DISTANCE not in compared_columns
    assert PICKUP in compared_columns


def test_a_column_on_which_evidently_fails_loses_no_other(
    facts: VersionFacts, rows: tuple[Rows, Rows]
) -> None:
    current, expected = rows
    # A histogram of these has bins of infinite width.
    wild = np.where(np.arange(len(current)) % 2, 1.7e308, -1.7e308)

    runs = presets(facts, replace(current, columns={**current.columns, DISTANCE: wild}), expected)

    assert list(runs.snapshots) == [DRIFT, REGRESSION, SUMMARY]
    assert runs.problems
    assert all(f"fails on {DISTANCE}" in one for one in runs.problems)
    assert {PICKUP, PREDICTION, TARGET} <= {
        one["config"].get("column") for one in metrics(runs, DRIFT)
    }


def test_without_labels_only_the_regression_preset_is_missing(
    facts: VersionFacts, rows: tuple[Rows, Rows]
) -> None:
    current, expected = rows
    outside = replace(current, labels=np.full(len(current), 1400.0))

    runs = presets(facts, outside, expected)

    assert list(runs.snapshots) == [DRIFT, SUMMARY]
    assert any("no label within the limits" in one for one in runs.problems)


@pytest.mark.parametrize("size", [0, 1])
def test_a_span_of_hardly_any_rows_has_no_presets(
    facts: VersionFacts, rows: tuple[Rows, Rows], size: int
) -> None:
    runs = presets(facts, rows[0].taken(range(size)), rows[1])

    assert not runs.snapshots
    assert f"has {size} rows" in runs.problems[0]


def test_two_rows_are_enough_for_what_can_be_computed(
    facts: VersionFacts, rows: tuple[Rows, Rows]
) -> None:
    runs = presets(facts, collapse().current.taken(range(2)), rows[1])

    assert DRIFT in runs.snapshots
    assert SUMMARY in runs.snapshots


def test_a_stored_snapshot_comes_back_as_it_was(runs: PresetRuns) -> None:
    for snapshot in runs.snapshots.values():
        data = packed(snapshot)
        again = unpacked(data)

        assert len(data) < 200_000
        assert packed(again) == data
        assert again.dict()["metrics"] == unpacked(packed(again)).dict()["metrics"]
        assert again.to_snapshot_model().metadata == {"model_version": VERSION, "model": "m"}


@pytest.mark.parametrize("harm", ["cut", "flipped", "text", "empty", "other"])
def test_damaged_bytes_are_refused_with_a_remedy(runs: PresetRuns, harm: str) -> None:
    data = packed(runs.snapshots[DRIFT])
    damaged = {
        "cut": data[:-100], "flipped": data[:500] + b"\x00\x01" + data[502:],
        "text": b"no gzip", "empty": b"", "other": gzip.compress(b'{"a": 1}'),
    }  # fmt: skip

    with pytest.raises(SnapshotError, match="make the report again"):
        unpacked(damaged[harm])
