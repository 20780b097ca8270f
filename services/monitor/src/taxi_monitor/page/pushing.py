"""Rows of the window that push a column's score most.

For a number it is the influence function of Wasserstein's distance: how fast the distance from the
reference grows with more rows of that value. For categories it is by how much the row's category
is more frequent than expected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_monitor.page.distributions import NEVER_SEEN, mixture_of
from taxi_monitor.page.words import number
from taxi_profiles.numeric import MIN_STD
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference
from taxi_schema.schema import Schema

Floats = NDArray[np.float64]

MAX_ROWS: Final = 8
#: Columns of a row that are shown.
MAX_COLUMNS: Final = 8
#: Shown at the end, or not known for rows of the window.
_NOT_SHOWN: Final = {MOMENT, PREDICTION, TARGET}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Pushers:
    """Rows as texts.

    Attributes:
        column: The column whose score they push.
        names: Names of the values.
        rows: Values of each row, the strongest first; the pushed column's is the first.
    """

    column: str
    names: list[str]
    rows: list[list[str]]


def pushers(
    schema: Schema, reference: Reference, columns: Mapping[str, Floats], name: str
) -> Pushers | None:
    """Return the rows that push a column's score most; None where none does.

    Args:
        schema: Of the version.
        reference: Of the version.
        columns: Of the window, each of shape (n,).
        name: The column.
    """
    values = columns.get(name)
    if values is None or name not in reference.stratified or not np.isfinite(values).any():
        return None
    push = (_of_categories if name in reference.categorical else _of_numbers)(
        reference, name, columns
    )
    push = np.where(np.isfinite(values), push, -np.inf)
    order = np.argsort(-push, kind="stable")[:MAX_ROWS]
    order = order[push[order] > 0]
    if not len(order):
        return None
    others = [one for one in reference.columns if one in columns and one not in _NOT_SHOWN | {name}]
    shown = [name, *others[: MAX_COLUMNS - 1]]
    times = ["event time"] if schema.event_time is not None else []
    rows = [
        [
            *(_text(reference, one, columns[one][place]) for one in shown),
            number(float(columns[PREDICTION][place])),
            *([_local(float(columns[MOMENT][place]))] if times else []),
        ]
        for place in order.tolist()
    ]
    return Pushers(name, [*shown, "answer", *times], rows)


def _of_numbers(reference: Reference, name: str, columns: Mapping[str, Floats]) -> Floats:
    """Return how fast the distance grows with more of each row's value, in standard deviations."""
    profile, column = reference.numeric[name], columns[name]
    finite = np.sort(column[np.isfinite(column)])
    points = np.union1d(profile.values, finite)
    if len(points) < 2:
        return np.zeros(len(column))
    window = np.searchsorted(finite, points[:-1], side="right") / len(finite)
    whole = np.concatenate([[0.0], np.cumsum(profile.counts)]) / profile.counts.sum()
    expected = whole[np.searchsorted(profile.values, points[:-1], side="right")]
    signs = np.sign(window - expected) * np.diff(points)
    # Rows at x add to the distribution function from x on.
    beyond = np.concatenate([np.cumsum(signs[::-1])[::-1], [0.0]])
    places = np.searchsorted(points, np.where(np.isfinite(column), column, points[0]))
    found: Floats = (beyond[places] - float(signs @ window)) / max(profile.std, MIN_STD)
    return found


def _of_categories(reference: Reference, name: str, columns: Mapping[str, Floats]) -> Floats:
    """Return the surprise of each row's category: (found - expected) / sqrt(expected + 1)."""
    column, stratified = columns[name], reference.stratified[name]
    filled = np.where(np.isfinite(column), column, -1.0)
    rows = max(int(np.isfinite(column).sum()), 1)
    shares = stratified.expected(mixture_of(reference, columns))
    cells = stratified.cells(filled)
    expected = shares * rows
    found = np.bincount(cells[np.isfinite(column)], minlength=len(shares))
    surprise: Floats = ((found - expected) / np.sqrt(expected + 1))[cells]
    return surprise


def _text(reference: Reference, name: str, value: float) -> str:
    if not np.isfinite(value):
        return "missing"
    if name not in reference.categorical:
        return number(value, 4)
    texts: Sequence[str] | None = reference.categories.get(name)
    if texts is None:
        return f"{value:.0f}"
    return texts[int(value)] if int(value) < len(texts) else NEVER_SEEN


def _local(seconds: float) -> str:
    return f"{_EPOCH + timedelta(seconds=seconds):%a %Y-%m-%d %H:%M}"
