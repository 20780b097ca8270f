"""A champion's logged answers against those of the version before, on the same rows."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from support.artifacts import Linear, artifact_for
from typer.testing import CliRunner

from taxi_domain.records import PredictionRecord
from taxi_domain.runs import EXIT_USAGE, RunResult
from taxi_schema.reading import schema_of
from taxi_schema.schema import Schema
from taxi_store.log.labelled import LabelledRow
from taxi_train.main import app
from taxi_train.runs.gate import Answers, GateRules
from taxi_train.runs.observing import answers, compare

NOW = datetime(2026, 1, 2, 4, tzinfo=UTC)
X = {"name": "x", "kind": "number", "minimum": 0, "maximum": 100}
TARGET = {"name": "y", "unit": "euros", "minimum": -50, "maximum": 200}
SCHEMA = schema_of({"target": TARGET, "columns": [X]})
#: As the champion's, but for a column that it does not have any more.
NARROWER = schema_of(
    {
        "target": TARGET,
        "columns": [X, {"name": "z", "kind": "number", "nullable": True}],
    }
)
RULES = GateRules(min_labelled_rows=500, min_relative_gain=0.02)
ROWS = 2000
RNG = np.random.default_rng(3)
VALUES = RNG.uniform(0, 50, ROWS)
LABELS = 2 * VALUES + RNG.normal(0, 3, ROWS)


def row(number: int, prediction: float, label: float, x: float) -> LabelledRow:
    record = PredictionRecord(
        f"r{number}", NOW + timedelta(seconds=number), None, "m", "new", "champion",
        {"x": x}, prediction, extra={"z": 1.0},
    )  # fmt: skip
    return LabelledRow(record, label)


def pieces(
    predictions: np.ndarray, labels: np.ndarray = LABELS, size: int = 300
) -> Iterator[Sequence[LabelledRow]]:
    """Return pieces as the log gives them: the newest first, each in the order of time."""
    rows = [
        row(number, *each)
        for number, each in enumerate(zip(predictions, labels, VALUES, strict=True))
    ]
    for first in reversed(range(0, len(rows), size)):
        yield rows[first : first + size]


def verdict_on(
    slope: float, before: Linear, schema: Schema = SCHEMA
) -> tuple[RunResult, dict[str, float]]:
    """Compare a champion that answered `slope` times x with a version before."""
    found, _ = answers(pieces(slope * VALUES), SCHEMA, artifact_for(schema, before))
    verdict = compare(found, RULES)
    return verdict.result, dict(verdict.numbers)


GOOD = Linear(weights={"x": 2.0})


@pytest.mark.parametrize(
    ("slope", "result"),
    [
        (2.0, RunResult.NOT_WORSE),  # they are the same
        (2.3, RunResult.WORSE),
        (2.02, RunResult.NOT_WORSE),  # it is worse, by less than is asked
    ],
)
def test_version_before_has_to_be_better_by_a_stated_amount(
    slope: float, result: RunResult
) -> None:
    found, numbers = verdict_on(slope, GOOD)

    assert found is result
    rmse = {
        name: math.sqrt(np.mean((one * VALUES - LABELS) ** 2))
        for name, one in (("champion_rmse", slope), ("before_rmse", 2.0))
    }
    assert {name: numbers[name] for name in rmse} == pytest.approx(rmse, rel=1e-4)
    assert numbers["evaluated_rows"] == ROWS
    assert numbers["gain"] == pytest.approx(
        1 - rmse["before_rmse"] / rmse["champion_rmse"], abs=1e-4
    )
    assert numbers["ci_low"] <= numbers["gain"] <= numbers["ci_high"]
    assert (numbers["ci_low"] > 0) is (slope > 2.0)


def test_champion_that_is_better_is_not_worse() -> None:
    result, numbers = verdict_on(2.0, Linear(weights={"x": 1.5}))

    assert result is RunResult.NOT_WORSE
    assert numbers["gain"] < 0


def test_version_before_answers_by_its_own_schema() -> None:
    result, numbers = verdict_on(2.3, Linear(weights={"x": 2.0, "z": 4.0}), NARROWER)

    assert result is RunResult.WORSE
    moved = math.sqrt(np.mean((2.0 * VALUES + 4.0 - LABELS) ** 2))
    assert numbers["before_rmse"] == pytest.approx(moved, rel=1e-4), "it sees z, which was logged"


def test_logged_answers_stay_with_their_rows() -> None:
    """Rows outside of the limits go from all columns alike."""
    labels = LABELS.copy()
    labels[::7] = 1e6
    predictions = np.arange(ROWS, dtype=np.float64)

    found, numbers = answers(pieces(predictions, labels), SCHEMA, artifact_for(SCHEMA, GOOD))

    kept = np.arange(ROWS) % 7 != 0
    assert found.champion.tolist() == predictions[kept].tolist()
    assert found.target.tolist() == LABELS[kept].tolist()
    assert found.candidate == pytest.approx(2 * VALUES[kept], abs=1e-4)
    assert numbers == {"labelled_rows": kept.sum(), "outside_rows": ROWS - kept.sum()}


@pytest.mark.parametrize(
    ("rows", "result"), [(499, "TooFewLabels"), (500, "Worse"), (0, "TooFewLabels")]
)
def test_few_rows_compare_nothing(rows: int, result: str) -> None:
    target = LABELS[:rows]
    found = compare(Answers(target, target + 5.0, target + 1.0), RULES)

    assert found.result == result
    assert ("gain" in found.numbers) is (rows == 500)
    assert f"{rows} " in found.message


def test_version_that_cannot_answer_does_not_come_back() -> None:
    before = LABELS.copy()
    before[3] = np.nan

    found = compare(Answers(LABELS, LABELS + 50.0, before), RULES)

    assert found.result is RunResult.NOT_WORSE
    assert f"no finite answer for 1 of {ROWS}" in found.message


def test_noise_is_seldom_a_difference() -> None:
    """Both are alike: by chance one is ahead with as much confidence in one case of forty."""
    rules, found = replace(RULES, min_relative_gain=0.0), 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        target = rng.normal(0, 1, 500)
        old, new = (target + rng.normal(0, 5, 500) for _ in range(2))
        found += compare(Answers(target, new, old), rules).result is RunResult.WORSE

    assert found <= 4


@pytest.mark.parametrize("text", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", ""])
def test_time_without_a_zone_is_refused(text: str, caplog: pytest.LogCaptureFixture) -> None:
    done = CliRunner().invoke(app, ["observe", "--champion", "a", "--before", "b", "--since", text])

    assert done.exit_code == EXIT_USAGE
    assert "--since" in caplog.text
