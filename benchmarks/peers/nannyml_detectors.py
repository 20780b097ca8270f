"""NannyML's calculators with their defaults on chunks of 500 rows.

Thresholds are its own: three standard deviations around the chunks of the reference.
"""

from collections.abc import Callable, Iterable
from typing import Any

import nannyml
import numpy as np
import pandas as pd
from peers.detector_worker import Table

CHUNK = 500
# DLE's encoder cannot read pandas' newer strings.
pd.set_option("future.infer_string", False)


def _frame(table: Table) -> pd.DataFrame:
    frame = pd.DataFrame({name: np.asarray(column) for name, column in table.columns.items()})
    for name in table.categories:
        # One that is missing stays so; codes as text are categories to every calculator.
        codes = frame[name]
        frame[name] = codes.map(lambda code: f"c{code:.0f}", na_action="ignore").astype(object)
    return frame


class _Chunks:
    """Rows until a chunk is full."""

    def __init__(self) -> None:
        self._frame = pd.DataFrame()

    def add(self, frame: pd.DataFrame) -> Iterable[pd.DataFrame]:
        both = pd.concat([self._frame, frame], ignore_index=True) if len(self._frame) else frame
        full = len(both) // CHUNK * CHUNK
        self._frame = both[full:].reset_index(drop=True)
        return [both[at : at + CHUNK].reset_index(drop=True) for at in range(0, full, CHUNK)]


class _Calculators:
    """Calculators of which each gives alerts by column for a chunk."""

    def __init__(self) -> None:
        self._fitted: list[tuple[Any, bool]] = []
        self._chunks = _Chunks()
        self._last: tuple[bool, list[str]] = (False, [])

    def make(self, reference: Table) -> list[Any]:
        raise NotImplementedError

    def chosen(self, rows: Table, labelled: Table) -> Table:
        raise NotImplementedError

    def fit(self, reference: Table) -> None:
        frame = _frame(reference)
        self._fitted = []
        for calculator in self.make(reference):
            calculator.fit(frame)
            estimates = hasattr(calculator, "estimate")
            self._fitted.append((calculator, estimates))

    def begin(self) -> None:
        self._chunks, self._last = _Chunks(), (False, [])

    def feed(self, rows: Table, labelled: Table) -> tuple[bool, list[str]]:
        for chunk in self._chunks.add(_frame(self.chosen(rows, labelled))):
            alerts: list[str] = []
            for calculator, estimates in self._fitted:
                run: Callable[[pd.DataFrame], Any] = (
                    calculator.estimate if estimates else calculator.calculate
                )
                alerts += _alerts(run(chunk))
            blamed = list(dict.fromkeys(alerts))
            self._last = (bool(blamed), blamed)
        return self._last


def _alerts(result: Any) -> list[str]:
    """Return what a result alerts on in its only chunk."""
    frame = result.filter(period="analysis").to_df()
    return [
        str(column[0])
        for column in frame.columns
        if column[-1] == "alert" and bool(frame[column].iloc[-1])
    ]


class Columns(_Calculators):
    """Univariate drift (Jensen-Shannon), missing and unseen values, of inputs and prediction."""

    def make(self, reference: Table) -> list[Any]:
        names, categories = list(reference.inputs), list(reference.categories)
        made = [
            nannyml.UnivariateDriftCalculator(
                column_names=[*names, "prediction"], treat_as_categorical=categories,
                chunk_size=CHUNK,
            ),
            nannyml.MissingValuesCalculator(column_names=names, chunk_size=CHUNK),
        ]  # fmt: skip
        if categories:
            made.append(nannyml.UnseenValuesCalculator(column_names=categories, chunk_size=CHUNK))
        return made

    def chosen(self, rows: Table, labelled: Table) -> Table:
        return rows


class Error(_Calculators):
    """Realised MAE and RMSE of labelled rows."""

    def make(self, reference: Table) -> list[Any]:
        return [
            nannyml.PerformanceCalculator(
                problem_type="regression", y_true="target", y_pred="prediction",
                metrics=["mae", "rmse"], chunk_size=CHUNK,
            )
        ]  # fmt: skip

    def chosen(self, rows: Table, labelled: Table) -> Table:
        return labelled


class EstimatedError(_Calculators):
    """Direct loss estimation: MAE without labels."""

    def make(self, reference: Table) -> list[Any]:
        return [
            nannyml.DLE(
                feature_column_names=list(reference.inputs), y_true="target", y_pred="prediction",
                metrics=["mae"], chunk_size=CHUNK,
            )
        ]  # fmt: skip

    def chosen(self, rows: Table, labelled: Table) -> Table:
        return rows
