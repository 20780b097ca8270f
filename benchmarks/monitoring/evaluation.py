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
from taxi_profiles.reference import Reference, Sample, reference_of
from taxi_profiles.scores.registry import SCORES
from taxi_schema.records import inputs_of

_ROUNDS = 15
_NOW = datetime(2021, 4, 1, tzinfo=UTC)
#: Names whose cost does not follow the reference's size.
_CHEAP = ("wasserstein", "jensenshannon", "psi", "kl_div", "hellinger", "tvd", "ks", "chisquare")

Columns = dict[str, NDArray[np.float64]]


def reference(columns: Columns) -> Reference:
    """Make the reference as training does, with calibrated thresholds."""
    moments = columns["at"] + (MONDAY - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001
    return reference_of(
        Sample(
            numeric={name: columns[name] for name in NUMBERS},
            categorical={name: columns[name] for name in CATEGORIES},
            prediction=columns[PREDICTION],
            target=columns[TARGET],
            moments=moments,
            deciding=frozenset({"trip_distance", "pickup", "dropoff"}),
        )
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


def main() -> None:
    """Measure, and print the result as JSON."""
    before, window = (dict(np.load(path)) for path in map(Path, sys.argv[1:]))
    begin = time.process_time()
    known = reference(before)
    fit = time.process_time() - begin
    result = {
        "fit_seconds": fit,
        "reference_mib": len(known.to_bytes()) / 2**20,
        "cpu_ms": cpu_ms(filled(known, window, ())),
        "cheap_scores_cpu_ms": cpu_ms(filled(known, window, _CHEAP)),
        "all_scores_cpu_ms": cpu_ms(filled(known, window, tuple(SCORES))),
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
