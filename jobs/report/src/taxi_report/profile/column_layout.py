"""How one column is profiled: its grid or categories, its cells as a slice, and their names."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.reference import Reference
from taxi_profiles.strata import STRATA
from taxi_profiles.stratified import StratifiedColumn
from taxi_report.profile.categorical import category_name
from taxi_report.profile.codes import Codes
from taxi_report.profile.grid import grid_of, spread
from taxi_schema.column import Column, FeatureType, Kind

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

#: A numeric column is cut into so many bands with equally many reference rows.
BANDS: Final = 10
_TRUTHS: Final = ("false", "true")
_NOTHING: Final = StratifiedColumn(np.zeros(1), np.zeros((STRATA, 1)), 1.0)


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """One column.

    Attributes:
        name: Column name.
        numeric: Whether it is a number; a category otherwise.
        points: Grid of a number (`taxi_report.profile.grid`), or codes of the reference's
            categories, ascending.
        bands: Inner edges of the bands of a number, shape (b - 1,); empty for a category.
        stratified: The reference's counts by stratum.
        names: Of categories by their code; empty for a number, and for integers, which are their
            own codes.
        measured: Whether the reference has values: a file of rows may have neither predictions nor
            labels.
    """

    name: str
    numeric: bool
    points: Floats
    bands: Floats
    stratified: StratifiedColumn
    names: tuple[str, ...] = ()
    measured: bool = True

    @property
    def size(self) -> int:
        """Cells as a slice: bands or categories, then `unseen` of a category, then missing."""
        return len(self.bands) + 2 if self.numeric else len(self.points) + 2

    def cells(self, column: Floats) -> Ids:
        """Return the cell of each value as a slice."""
        missing = ~np.isfinite(column)
        values = np.where(missing, 0.0, column)
        if self.numeric:
            found = np.searchsorted(self.bands, values, side="right")
        else:
            places = np.minimum(np.searchsorted(self.points, values), len(self.points) - 1)
            found = np.where(self.points[places] == values, places, len(self.points))
        cells: Ids = np.where(missing, self.size - 1, found).astype(np.int64)
        return cells

    def label(self, cell: int) -> str:
        """Name a cell for people."""
        if cell == self.size - 1:
            return self.word("missing")
        if not self.numeric:
            return (
                self.word("unseen") if cell == len(self.points)
                else self.category(float(self.points[cell]))
            )  # fmt: skip
        edges = ["", *_edge_names(self.bands), ""]
        low, high = edges[cell], edges[cell + 1]
        if not low:
            return f"below {high}" if high else "all"
        return f"{low} to {high}" if high else f"{low} and more"

    def category(self, code: float) -> str:
        """Name a category of the reference for people."""
        return self.names[int(code)] if 0 <= code < len(self.names) else category_name(code)

    def word(self, text: str) -> str:
        """Return a word for rows of no single category that no category is called."""
        return other_name(text, self.names, "these")


def codes_of(reference: Reference, column: Column) -> Codes | None:
    """Return the codes of a column of texts, None for others."""
    if column.type is not FeatureType.STRING:
        return None
    return Codes(reference.categories.get(column.name, ()))


def names_of(reference: Reference, column: Column) -> tuple[str, ...]:
    """Return the names of a column's categories by code; empty where codes are the categories."""
    if column.kind is Kind.BOOLEAN:
        return _TRUTHS
    return reference.categories.get(column.name, ())


def column_layout(reference: Reference, name: str, names: tuple[str, ...] = ()) -> ColumnLayout:
    """Return how a column of the reference is profiled."""
    stratified = reference.stratified.get(name)
    if stratified is None:
        return ColumnLayout(name, True, spread(0.0, 1.0), np.zeros(0), _NOTHING, measured=False)
    if name in reference.categorical:
        points = reference.categorical[name].ids.astype(np.float64)
        return ColumnLayout(name, False, points, np.zeros(0), stratified, names)
    profile = reference.numeric[name]
    below = np.cumsum(profile.counts)
    places = np.searchsorted(below, below[-1] * np.arange(1, BANDS) / BANDS, side="right")
    edges = np.unique(profile.values[np.minimum(places, len(profile.values) - 1)])
    return ColumnLayout(
        name, True, grid_of(profile.values, profile.counts),
        edges[edges > profile.values[0]], stratified,
    )  # fmt: skip


def _edge_names(edges: Floats) -> list[str]:
    """Name edges with four digits, or as many more as tell them apart."""
    names: list[str] = []
    for digits in (4, 6, 9, 17):
        names = [f"{edge:.{digits}g}" for edge in edges]
        if len(set(names)) == len(names):
            break
    return names


def other_name(name: str, taken: Iterable[str], kind: str) -> str:
    """Return a name that is not taken."""
    others = set(taken)
    while name in others:
        name += f" ({kind})"
    return name
