"""Evidently's stat tests with the defaults of `DataDriftPreset`, without its report.

Which test a column gets is Evidently's rule; the window is the newest 2,000 rows, and the target's
that of the newest 2,000 labelled ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType
from peers.detector_worker import Table

_WINDOW = 2000
#: Share of drifted columns from which the preset says that the dataset drifted.
_SHARE = 0.5


@dataclass(frozen=True)
class _Column:
    """A column of the reference with the test that Evidently's rule chooses."""

    values: pd.Series
    kind: ColumnType
    test: Any

    def drifted(self, current: pd.Series) -> tuple[bool, float]:
        """Tell whether it drifted, and how far (score over threshold, or the reverse)."""
        result = self.test(self.values, current, self.kind, None)
        score, threshold = result.drift_score, result.actual_threshold
        below = self.test.display_name.endswith("p_value")
        far = threshold / max(score, 1e-300) if below else score / threshold
        return bool(result.drifted), float(far)


class _Preset:
    """All columns tested each by itself."""

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}
        self._windows: dict[str, pd.Series] = {}

    def fit(self, reference: Table) -> None:
        """Choose the tests."""
        self._columns = {}
        for name in (*reference.inputs, "prediction", "target"):
            category = name in reference.categories
            kind = ColumnType.Categorical if category else ColumnType.Numerical
            values = _series(reference.columns[name])
            self._columns[name] = _Column(values, kind, get_stattest(values, values, kind, None))

    def begin(self) -> None:
        """Empty the windows."""
        self._windows = {}

    def results(self, rows: Table, labelled: Table) -> Mapping[str, tuple[bool, float]]:
        """Test the windows that are full."""
        found = {}
        for name, column in self._columns.items():
            table = labelled if name == "target" else rows
            before = self._windows.get(name, pd.Series(dtype=float))
            new = _series(table.columns[name])
            window = pd.concat([before, new])[-_WINDOW:] if len(before) else new[-_WINDOW:]
            self._windows[name] = window.reset_index(drop=True)
            if len(window) == _WINDOW and window.notna().any():
                found[name] = column.drifted(self._windows[name].dropna())
        return found


def _series(values: Any) -> pd.Series:
    return pd.Series(np.asarray(values, np.float64)).dropna()


def _worst_first(results: Mapping[str, tuple[bool, float]]) -> list[str]:
    return sorted((name for name, (drifted, _) in results.items() if drifted),
                  key=lambda name: -results[name][1])  # fmt: skip


class AnyColumn(_Preset):
    """Alarms when any column drifted."""

    def feed(self, rows: Table, labelled: Table) -> tuple[bool, list[str]]:
        """Test all windows."""
        worst = _worst_first(self.results(rows, labelled))
        return bool(worst), worst


class Dataset(_Preset):
    """Alarms when half of the columns drifted, as the preset does."""

    def feed(self, rows: Table, labelled: Table) -> tuple[bool, list[str]]:
        """Test all windows."""
        results = self.results(rows, labelled)
        worst = _worst_first(results)
        return bool(results) and len(worst) >= _SHARE * len(results), worst
