"""What others take for the same comparison, in environments of their own: CPU time of a call.

Each is fitted or given its reference before, as far as it can be, and then asked about the window
again and again. Usage: python -m peers.monitor_arms ARM REFERENCE.npz WINDOW.npz
"""

import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

NUMBERS = ("trip_distance", "fare", "passengers", "hour", "prediction", "minutes")
CATEGORIES = ("pickup", "dropoff", "weekday")
COLUMNS = (*NUMBERS, *CATEGORIES)
ROUNDS = 7
#: Calls that take longer are made this often.
SLOW_SECONDS, SLOW_ROUNDS = 2.0, 3

Frame = Any  # pandas has no types here
Call = Callable[[], object]


def evidently_preset(reference: Frame, window: Frame) -> Call:
    """Return the preset as its users run it."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(
        numerical_columns=list(NUMBERS), categorical_columns=list(CATEGORIES)
    )
    before = Dataset.from_pandas(reference, data_definition=definition)

    def run() -> object:
        current = Dataset.from_pandas(window, data_definition=definition)
        return Report([DataDriftPreset()]).run(current, before)

    return run


def evidently_tests(reference: Frame, window: Frame) -> Call:
    """Return its tests alone, as the preset chooses them, without a report."""
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    kinds = dict.fromkeys(NUMBERS, ColumnType.Numerical)
    kinds |= dict.fromkeys(CATEGORIES, ColumnType.Categorical)

    def run() -> object:
        found = []
        for name, kind in kinds.items():
            before, after = reference[name].dropna(), window[name].dropna()
            found.append(get_stattest(before, after, kind, None)(before, after, kind, None))
        return found

    return run


def nannyml_univariate(reference: Frame, window: Frame) -> Call:
    """Return its univariate drift with defaults, fitted before; the window is one chunk."""
    import nannyml

    pd.set_option("future.infer_string", False)
    before, after = (_as_categories(frame) for frame in (reference, window))
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=list(COLUMNS), treat_as_categorical=list(CATEGORIES), chunk_size=len(window)
    )
    calculator.fit(before)
    return lambda: calculator.calculate(after)


def _as_categories(frame: Frame) -> Frame:
    found = frame.copy()
    for name in CATEGORIES:
        found[name] = found[name].map(lambda code: f"c{code:.0f}").astype(object)
    return found


def alibi_tabular(reference: Frame, window: Frame) -> Call:
    """Return its test of tables with defaults; it keeps the rows of the reference."""
    from alibi_detect.cd import TabularDrift

    places: dict[int, Any] = {
        place: None for place, name in enumerate(COLUMNS) if name in CATEGORIES
    }
    before, after = (frame[list(COLUMNS)].dropna().to_numpy() for frame in (reference, window))
    detector = TabularDrift(before, p_val=0.05, categories_per_feature=places)
    return lambda: detector.predict(after, drift_type="batch")


ARMS: Mapping[str, Callable[[Frame, Frame], Call]] = {
    "evidently": evidently_preset, "evidently_tests": evidently_tests,
    "nannyml": nannyml_univariate, "alibi": alibi_tabular,
}  # fmt: skip


def main() -> None:
    """Measure an arm, and print the result as JSON."""
    warnings.simplefilter("ignore")
    arm, *paths = sys.argv[1:]
    reference, window = (
        pd.DataFrame({name: np.load(path)[name] for name in COLUMNS}) for path in map(Path, paths)
    )
    call = ARMS[arm](reference, window)
    begin = time.process_time()
    call()
    first = time.process_time() - begin
    found = []
    for _ in range(ROUNDS if first < SLOW_SECONDS else SLOW_ROUNDS):
        begin = time.process_time()
        call()
        found.append(time.process_time() - begin)
    json.dump({"cpu_ms": statistics.median(found) * 1000}, sys.stdout)


if __name__ == "__main__":
    main()
