"""One evaluation of the monitor's own state, as its thread does it; run as a process of its own.

Usage: python -m monitoring.evaluation REFERENCE.npz WINDOW.npz
"""

import json
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitoring.rides import CATEGORIES, MONDAY, NUMBERS, PREDICTION, SCHEMA, TARGET, rows_of
from taxi_domain.models import Alias
from taxi_domain.records import Label, PredictionRecord
from taxi_monitor.windows.reader import RowReader
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import watched_version
from taxi_profiles.evidence.calibrate import calibrate
from taxi_profiles.evidence.detector import Detector
from taxi_profiles.evidence.gain import HISTORY
from taxi_profiles.evidence.scoring import BlockScores, score_labels, score_rows
from taxi_profiles.evidence.streams import Side
from taxi_profiles.reference import MOMENT, Reference, Sample, reference_of
from taxi_profiles.reference import TARGET as COLUMN_OF_TARGET
from taxi_profiles.scores.registry import SCORES
from taxi_schema.records import inputs_of

_ROUNDS = 15
_BUDGET_ROWS = 100_000
_NOW = datetime(2021, 4, 1, tzinfo=UTC)
#: Names whose cost does not follow the reference's size.
_CHEAP = ("wasserstein", "jensenshannon", "psi", "kl_div", "hellinger", "tvd", "ks", "chisquare")

Columns = dict[str, NDArray[np.float64]]


def sample(columns: Columns) -> Sample:
    """Return what a reference is made of."""
    moments = columns["at"] + (MONDAY - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001
    return Sample(
        numeric={name: columns[name] for name in NUMBERS},
        categorical={name: columns[name] for name in CATEGORIES},
        prediction=columns[PREDICTION],
        target=columns[TARGET],
        moments=moments,
        deciding=frozenset({"trip_distance", "pickup", "dropoff"}),
    )


def filled(known: Reference, columns: Columns, scores: tuple[str, ...]) -> State:
    """Return a state with a window of all rows, each labelled."""
    rows = len(columns["at"])
    state = State(rows, 500, scores)
    reader = RowReader("v1", SCHEMA, known)
    state.watch(
        Alias.CHAMPION,
        watched_version(Alias.CHAMPION, reader, window_rows=rows, error_window_rows=rows),
    )
    records = [
        PredictionRecord(
            f"r{place}", _NOW + timedelta(seconds=place), row.event_time, "m", "v1", "champion",
            inputs_of(SCHEMA, row), float(columns[PREDICTION][place]),
        )
        for place, row in enumerate(rows_of(columns))
    ]  # fmt: skip
    assert state.ingest(records).new == rows
    labels = [
        Label(one.row_id, float(value), one.ts)
        for one, value in zip(records, columns[TARGET], strict=True)
    ]
    assert not state.join(labels).without_row
    return state


def cpu_ms(state: State) -> float:
    """Return the CPU time of an evaluation of all windows, ms, the median of some."""
    found = []
    for _ in range(_ROUNDS):
        begin = time.process_time()
        state.evaluate(_NOW.timestamp)
        found.append(time.process_time() - begin)
    ((_, evaluation),) = state.evaluations()
    assert evaluation.inputs is not None
    assert evaluation.errors is not None
    assert len(evaluation.inputs.features) == len(NUMBERS) + len(CATEGORIES) + 1
    return statistics.median(found) * 1000


def evidence(known: Reference, rows: Sample, window: Columns) -> dict[str, float]:
    """Return the CPU time of the evidence of ten blocks by side, ms; medians of some.

    A short reference has smaller blocks, and the window more of them. The labelled rows before a
    block are those of the window.
    """
    calibration = calibrate(known, rows)
    made = sample(window)
    assert made.moments is not None
    columns = {name: window[name] for name in (*NUMBERS, *CATEGORIES, PREDICTION)}
    columns |= {COLUMN_OF_TARGET: made.target, MOMENT: made.moments}
    size = calibration.block_rows
    blocks = [
        {name: column[begin : begin + size] for name, column in columns.items()}
        for begin in range(0, len(made.target), size)
    ]
    history = {name: column[:HISTORY] for name, column in columns.items()}

    def scored(side: Side, block: Columns) -> BlockScores:
        if side is Side.LABELS:
            return score_labels(calibration, block, history=history)
        return score_rows(
            calibration, {name: one for name, one in block.items() if name != COLUMN_OF_TARGET}
        )

    found: dict[str, list[float]] = {side: [] for side in Side}
    for side in [*Side] * _ROUNDS:
        detector = Detector.start(calibration, side, _BUDGET_ROWS)
        begin = time.process_time()
        for block in blocks:
            detector = detector.after(scored(side, block))
            assert detector.judgement().evidence
        found[side].append(time.process_time() - begin)
    per_ten = 10 / len(blocks) * 1000
    return {
        "block_rows": float(size),
        **{
            f"evidence_of_{side}_cpu_ms": statistics.median(took) * per_ten
            for side, took in found.items()
        },
    }


def main() -> None:
    """Measure, and print the result as JSON."""
    before, window = (dict(np.load(path)) for path in map(Path, sys.argv[1:]))
    begin = time.process_time()
    rows = sample(before)
    known = reference_of(rows)
    fit = time.process_time() - begin
    result = {
        "fit_seconds": fit,
        "reference_mib": len(known.to_bytes()) / 2**20,
        "cpu_ms": cpu_ms(filled(known, window, ())),
        **evidence(known, rows, window),
        "cheap_scores_cpu_ms": cpu_ms(filled(known, window, _CHEAP)),
        "all_scores_cpu_ms": cpu_ms(filled(known, window, tuple(SCORES))),
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
