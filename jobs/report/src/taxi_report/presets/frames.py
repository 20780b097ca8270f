"""Rows as the data frames that Evidently compares, without the columns that it cannot."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Regression
from numpy.typing import NDArray

from taxi_profiles.reference import PREDICTION, TARGET
from taxi_report.profile.column_layout import ColumnLayout
from taxi_report.profile.layout import Layout
from taxi_report.rows import Rows

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Frames:
    """Both sides of a comparison, with the same columns.

    Attributes:
        current: Rows of the span, one column each input, `prediction` and `target`; labels
            outside of their limits are missing.
        reference: Rows of the reference.
        numerical: Names of the numbers.
        categorical: Names of the categories; their values are texts.
    """

    current: pd.DataFrame
    reference: pd.DataFrame
    numerical: tuple[str, ...]
    categorical: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of all columns."""
        return (*self.numerical, *self.categorical)

    def without(self, names: set[str]) -> "Frames":
        """Return the frames without some columns."""
        return Frames(
            self.current.drop(columns=list(names)),
            self.reference.drop(columns=list(names)),
            tuple(one for one in self.numerical if one not in names),
            tuple(one for one in self.categorical if one not in names),
        )

    def labelled(self) -> "Frames":
        """Return prediction and target of the rows that have both."""
        pair = [PREDICTION, TARGET]
        return Frames(self.current[pair].dropna(), self.reference[pair].dropna(), tuple(pair), ())

    def datasets(self, *, regression: bool = False) -> tuple[Dataset, Dataset]:
        """Return the span and the reference as Evidently has them, kinds of columns stated."""
        definition = DataDefinition(
            numerical_columns=list(self.numerical),
            categorical_columns=list(self.categorical),
            regression=[Regression(target=TARGET, prediction=PREDICTION)] if regression else None,
        )
        current, reference = (
            Dataset.from_pandas(side.reset_index(drop=True), data_definition=definition)
            for side in (self.current, self.reference)
        )
        return current, reference


def frames_of(rows: Rows, reference: Rows, layout: Layout) -> tuple[Frames, list[str]]:
    """Return the frames, and a sentence for each column that is left out.

    Evidently loses a whole preset when a column is empty on one side, so such a column is not
    compared.

    Args:
        rows: Sample of the span.
        reference: Sample of the reference.
        layout: Names and kinds of the columns.
    """
    columns = (*layout.columns, layout.target)
    sides = [
        {one.name: _values(side, one, layout) for one in columns} for side in (rows, reference)
    ]
    frames = Frames(
        current=pd.DataFrame(sides[0]),
        reference=pd.DataFrame(sides[1]),
        numerical=tuple(one.name for one in columns if one.numeric),
        categorical=tuple(one.name for one in columns if not one.numeric),
    )
    empty = {
        name: [
            side
            for side, frame in (("span", frames.current), ("reference", frames.reference))
            if not frame[name].notna().any()
        ]
        for name in frames.columns
    }
    problems = [
        f"{name}: has no value in the sample of the {' and of the '.join(where)}; "
        "Evidently's presets leave it out"
        for name, where in empty.items()
        if where
    ]
    return frames.without({name for name, where in empty.items() if where}), problems


def _values(rows: Rows, column: ColumnLayout, layout: Layout) -> Floats | pd.Series:
    if column.name == TARGET:
        values = rows.evaluated(layout.schema.target)
    else:
        values = rows.columns[column.name]
    finite = np.where(np.isfinite(values), values, np.nan)
    if column.numeric:
        return finite
    texts = rows.texts.get(column.name, {})
    names = [
        None if math.isnan(code) else texts.get(code) or column.category(code)
        for code in finite.tolist()
    ]
    return pd.Series(names, dtype="object")
