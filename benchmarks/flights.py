"""Which months of 2013 shift the inputs of the flight model, and which its error.

A first model is fitted on the flights of January; each later month is evaluated in windows of
flights as the monitor does, for several sizes of windows. With --gate a candidate is made of the
first 10,000 flights of some months, and the gate asked.
Usage: python benchmarks/flights.py FILE, where FILE has all flights of 2013.
"""

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
from streams import ROOT, answers, between, part, window_columns

from taxi_domain.models import PROFILE_FILE
from taxi_files.reading import read_file
from taxi_profiles.reference import Reference
from taxi_profiles.verdict import evaluate, evaluate_labelled
from taxi_schema.columns.limits import accepted, evaluated
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.reading import read_schema
from taxi_store.registry.artifacts import Artifact
from taxi_train.artifact.builder import reference_rows
from taxi_train.data.rows import within_limits
from taxi_train.data.split import split
from taxi_train.data.views import Views
from taxi_train.fitting.candidates import Trainer
from taxi_train.runs.gate import GateRules
from taxi_train.runs.retraining import compare

SCHEMA = read_schema(ROOT / "models" / "flight_delay" / "schema.toml")
RESULT = ROOT / "benchmarks" / "results" / "flights.json"
WINDOWS = (2000, 5000, 10_000)
GATED = (2, 5, 7, 9)
NEW_ROWS = 10_000


def month_of(rows: LabelledRows, number: int) -> LabelledRows:
    """Return the flights of a month of 2013."""
    end = f"2013-{number + 1:02d}-01" if number < 12 else "2014-01-01"
    return rows[between(rows, f"2013-{number:02d}-01", end)]


def scores_of(reference: Reference, rows: LabelledRows, window: int) -> dict[str, object]:
    """Return the score ratios that the monitor would see in a month; above 1 is an alarm's."""
    scored = evaluated(SCHEMA.target, rows.target)
    inputs: list[float] = []
    columns: dict[str, list[float]] = {}
    everything = window_columns(SCHEMA, reference, rows)
    for end in range(window, len(rows) + 1, window):
        verdict = evaluate(reference, part(everything, slice(end - window, end)))
        inputs.append(verdict.score_ratio or 0.0)
        for feature in verdict.features:
            columns.setdefault(feature.feature, []).append(feature.score_ratio or 0.0)
    labelled = part(everything, scored)
    error = []
    for end in range(window, int(scored.sum()) + 1, window):
        result = evaluate_labelled(reference, part(labelled, slice(end - window, end))).error
        assert result is not None
        error.append(result.score_ratio or 0.0)
    medians = {name: float(np.median(values)) for name, values in columns.items()}
    largest = max(medians, key=lambda name: medians[name])
    return {
        "inputs_above": round(float(np.mean(np.array(inputs) > 1)), 2),
        "inputs_median": round(float(np.median(inputs)), 2),
        "largest_column": largest,
        "error_above": round(float(np.mean(np.array(error) > 1)), 2),
        "error_median": round(float(np.median(error)), 2),
    }


def errors_of(rows: LabelledRows) -> dict[str, float]:
    """Return RMSE and bias, in minutes."""
    scored = evaluated(SCHEMA.target, rows.target)
    errors = rows.prediction[scored] - rows.target[scored]
    return {
        "rows": len(rows),
        "rmse": round(float(np.sqrt(np.mean(errors**2))), 2),
        "bias": round(float(np.mean(errors)), 2),
    }


def gate_of(champion: Artifact, rows: LabelledRows) -> dict[str, object]:
    """Return what the gate says of a candidate that is made of a month's first flights."""
    rows = rows[within_limits(SCHEMA, rows)][:NEW_ROWS]
    parts = split(rows, 1000)
    candidate, _ = Trainer(SCHEMA).make_candidate(reference_rows(SCHEMA, champion), parts)
    verdict = compare(champion, candidate, Views({SCHEMA.digest: parts.gate}), GateRules())
    numbers = {name: round(value, 4) for name, value in verdict.numbers.items()}
    return {"result": str(verdict.result), "kind": candidate.card["kind"], **numbers}


def main() -> None:
    """Measure all months, print and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--gate", action="store_true", help="ask the gate too, which takes longer")
    options = parser.parse_args()
    rows = read_file(SCHEMA, options.file).rows(SCHEMA)
    rows = rows[accepted(SCHEMA, rows.columns)]
    january = month_of(rows, 1)
    champion = Trainer(SCHEMA).train(january[within_limits(SCHEMA, january)])
    reference = Reference.from_bytes(champion.files[PROFILE_FILE])
    rows = rows.predicted(answers(champion, rows))
    figures: dict[str, object] = {"january_rmse": champion.card["metrics"]["rmse"]}
    for number in range(1, 13):
        month = month_of(rows, number)
        measured: dict[str, object] = {**errors_of(month)}
        measured |= {f"window_{size}": scores_of(reference, month, size) for size in WINDOWS}
        if options.gate and number in GATED:
            measured["gate"] = gate_of(champion, month)
        figures[f"2013-{number:02d}"] = measured
        print(f"2013-{number:02d}", measured, flush=True)
    libraries = {name: version(name) for name in ("numpy", "scikit-learn", "onnxruntime")}
    RESULT.write_text(
        json.dumps(
            {"figures": figures, "command": "python benchmarks/flights.py <flights-2013.parquet>",
             "versions": {"python": platform.python_version(), **libraries}},
            indent=1,
        ) + "\n"
    )  # fmt: skip


if __name__ == "__main__":
    main()
