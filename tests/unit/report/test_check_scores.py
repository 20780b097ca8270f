"""The scores of a check are the monitor's and Evidently's, on the same rows."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests.registry import get_registered_stattest
from evidently.legacy.core import ColumnType
from evidently.presets import DataDriftPreset
from hypothesis import given, settings
from hypothesis import strategies as st
from support.check_files import checked, no_database, predicted, write_rows, write_schema
from support.schemas import schemas
from support.taxi_columns import CATEGORICAL, INPUTS, SAMPLES, SCHEMA, taxi_rides, usual

from taxi_files.pieces import pieces_of
from taxi_profiles.reference import MOMENT, reference_of
from taxi_profiles.verdict import evaluate
from taxi_report.check.run import CheckRequest, check
from taxi_report.collect import files as files_module
from taxi_report.collect.against import sample_of
from taxi_schema.column import Kind
from taxi_schema.columns.limits import accepted
from taxi_schema.schema import Schema

ALL = "[defaults]\nmax_score = 0.1\nmax_drift = 1"


@settings(max_examples=4, deadline=None)
@given(schema=schemas(), seed=st.integers(0, 99), piece=st.integers(40, 700))
def test_scores_are_the_monitors_whatever_the_schema_and_the_pieces(
    tmp_path_factory: pytest.TempPathFactory, schema: Schema, seed: int, piece: int
) -> None:
    folder = tmp_path_factory.mktemp("scores")
    write_schema(schema, folder)
    rows, new = predicted(schema, 600, seed), predicted(schema, 300, seed + 1)
    reference = write_rows(folder / "reference.parquet", schema, rows)
    data = write_rows(folder / "data.parquet", schema, new)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            files_module, "pieces_of", lambda path, wanted: pieces_of(path, wanted, piece)
        )
        found = checked(folder, reference, data, checks=ALL).document["conditions"]

    values = {(one["condition"], one["column"]): one["value"] for one in found}
    made = reference_of(sample_of(schema, rows))
    sample = sample_of(schema, new)
    moments = sample.moments if sample.moments is not None else np.zeros(len(new))
    coded = {name: made.codes(name, column) for name, column in sample.categorical.items()}
    verdict = evaluate(made, {**sample.numeric, **coded, MOMENT: moments})
    for one in verdict.features:
        if one.feature not in made.deciding:
            continue
        score, drift = (values.get((name, one.feature)) for name in ("max_score", "max_drift"))
        assert score is not None
        assert math.isclose(score, one.score, rel_tol=1e-9, abs_tol=1e-12)
        assert (drift is None) == (one.score_ratio is None)
        if drift is not None and one.score_ratio is not None:
            assert math.isclose(drift, one.score_ratio, rel_tol=1e-9, abs_tol=1e-12)


def test_scores_of_rides_are_evidentlys(tmp_path: Path) -> None:
    checks = tmp_path / "checks.toml"
    checks.write_text(ALL)
    names = ("green-2021-02-head.parquet", "green-2020-03-after.parquet")
    paths = [SAMPLES / name for name in names]
    schema = Path(SAMPLES.parent / "schema.toml")

    found = check(
        CheckRequest(str(paths[0]), (paths[1],), schema, checks, "prediction", no_database)
    ).document

    frames = [pd.DataFrame(usual_columns(name)) for name in names]
    definition = DataDefinition(
        numerical_columns=[name for name in INPUTS if name not in CATEGORICAL],
        categorical_columns=list(CATEGORICAL),
    )
    reference, current = (
        Dataset.from_pandas(frame, data_definition=definition) for frame in frames
    )
    preset = DataDriftPreset(num_method="wasserstein", cat_method="jensenshannon")
    metrics = Report([preset]).run(current, reference).dict()["metrics"]
    theirs = {
        one["config"]["column"]: float(one["value"])
        for one in metrics
        if "column" in one.get("config", {})
    }
    own = {
        one["column"]: one["value"]
        for one in found["conditions"]
        if one["condition"] == "max_score"
    }
    assert own.keys() == theirs.keys() == set(INPUTS)
    for name, score in own.items():
        assert math.isclose(score, theirs[name], rel_tol=1e-6)


def test_scores_by_name_of_rides_are_evidentlys(tmp_path: Path) -> None:
    checks = tmp_path / "checks.toml"
    checks.write_text(
        "[defaults]\nmax_psi = 0.01\nmax_hellinger = 1\nmin_ks = 0.05\nmin_chisquare = 0.05\n"
    )
    names = ("green-2021-02-head.parquet", "green-2020-03-after.parquet")
    paths = [SAMPLES / name for name in names]

    found = check(
        CheckRequest(
            str(paths[0]), (paths[1],), SAMPLES.parent / "schema.toml", checks, "prediction",
            no_database,
        )
    ).document  # fmt: skip

    before, after = (pd.DataFrame(usual_columns(name)) for name in names)
    own = {
        (one["column"], one["condition"]): one
        for one in found["conditions"]
        if one["condition"].split("_")[-1] in {"psi", "hellinger", "ks", "chisquare"}
    }
    assert {name for _, name in own} == {"max_psi", "max_hellinger", "min_ks", "min_chisquare"}
    for (column, condition), one in own.items():
        test = get_registered_stattest(condition[4:], _kind(column))
        theirs = test(before[column].dropna(), after[column].dropna(), _kind(column), None)
        assert math.isclose(one["value"], theirs.drift_score, rel_tol=1e-6, abs_tol=1e-9)
        assert (one["state"] == "met") == (
            one["value"] >= 0.05 if condition.startswith("min") else one["value"] <= one["limit"]
        )


def _kind(column: str) -> ColumnType:
    return ColumnType.Categorical if column in CATEGORICAL else ColumnType.Numerical


def usual_columns(name: str) -> dict[str, np.ndarray]:
    """Return the rides that a check compares: those that a request could send."""
    rides = taxi_rides(name)
    kept = rides[accepted(SCHEMA, rides.columns)]
    assert len(usual(rides)) <= len(kept)
    return {
        column.name: kept.columns[column.name]
        if column.kind is Kind.NUMBER
        else kept.columns[column.name].astype(str)
        for column in SCHEMA.columns
    }
