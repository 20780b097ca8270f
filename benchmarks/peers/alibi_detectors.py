"""alibi-detect's TabularDrift with its defaults."""

from typing import Any

import numpy as np
from alibi_detect.cd import TabularDrift
from numpy.typing import NDArray
from peers.detector_worker import Table

#: Newest rows of the reference that it keeps: it sorts all of them at each call.
_REFERENCE = 20_000


class Tabular:
    """Kolmogorov-Smirnov and chi-square by column, corrected by Bonferroni, at 5 %."""

    def __init__(self) -> None:
        self._drift: TabularDrift | None = None
        self._names: list[str] = []

    def fit(self, reference: Table) -> None:
        """Keep the reference."""
        self._names = [*reference.inputs, "prediction"]
        rows = _matrix(reference, self._names)[-_REFERENCE:]
        categories: dict[int, Any] = {
            place: None for place, name in enumerate(self._names) if name in reference.categories
        }
        self._drift = TabularDrift(rows, p_val=0.05, categories_per_feature=categories)

    def begin(self) -> None:
        """Nothing is kept between rows."""

    def feed(self, rows: Table, _labelled: Table) -> tuple[bool, list[str]]:
        """Test the newest rows."""
        assert self._drift is not None
        data = self._drift.predict(_matrix(rows, self._names), drift_type="batch")["data"]
        values, threshold = np.asarray(data["p_val"]), data["threshold"]
        blamed = [self._names[place] for place in np.argsort(values) if values[place] < threshold]
        return bool(data["is_drift"]), blamed


def _matrix(table: Table, names: list[str]) -> NDArray[np.float64]:
    matrix = np.column_stack([table.columns[name] for name in names])
    return matrix[np.isfinite(matrix).all(axis=1)]
