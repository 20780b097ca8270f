"""Sums of table look-ups: a model that is fitted by counting, and costs a row a few additions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.evidence.cells import Cells

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

#: Cells that a pair's table tells apart of each of its columns; the rest are one.
COARSE: Final = 96
#: Rows that an effect must outweigh; a pair's is what the columns' own leave over.
_SHRINK: Final = 20.0
_ROUNDS: Final = 2


@dataclass(frozen=True, slots=True)
class Table:
    """What one column, or two, add.

    Attributes:
        columns: One name or two.
        effects: By cell, or by coarse cell of the first (rows) and of the second (columns).
    """

    columns: tuple[str, ...]
    effects: Floats

    def of(self, placed: Mapping[str, Ids], coarse: Mapping[str, Ids]) -> Floats:
        """Return what each row gets, shape (n,)."""
        if len(self.columns) == 1:
            return self.effects[placed[self.columns[0]]]
        first, second = self.columns
        return self.effects[coarse[first], coarse[second]]


@dataclass(frozen=True, slots=True)
class TableModel:
    """A sum of tables.

    Attributes:
        base: Added to every row.
        tables: What is added by column and by pair.
    """

    base: float
    tables: tuple[Table, ...]

    def predict(self, placed: Mapping[str, Ids], coarse: Mapping[str, Ids]) -> Floats:
        """Return the sums, shape (n,).

        Args:
            placed: Cells by column, each of shape (n,).
            coarse: Coarse cells by column, each of shape (n,).
        """
        return np.sum([one.of(placed, coarse) for one in self.tables], axis=0) + self.base


def coarse_map(cells: Cells, counts: Floats) -> Ids:
    """Return the coarse cell of each cell, shape (size,): the largest keep one of their own.

    Args:
        cells: Of the column.
        counts: Rows of the reference by cell, shape (size,).
    """
    order = np.argsort(-counts[: cells.known], kind="stable")[:COARSE]
    found = np.full(cells.size, min(cells.known, COARSE), np.int64)
    found[order] = np.arange(len(order))
    found[cells.missing] = found[cells.unseen] + 1
    return found


def fit_tables(
    target: Floats,
    parts: Sequence[tuple[tuple[str, ...], tuple[int, ...]]],
    placed: Mapping[str, Ids],
    coarse: Mapping[str, Ids],
) -> TableModel:
    """Fit a sum of tables to a number, each to what the others leave over.

    Args:
        target: Finite, shape (n,), n at least 1.
        parts: Columns of each table, with its shape.
        placed: Cells by column.
        coarse: Coarse cells by column.
    """
    base = float(target.mean())
    left = target - base
    effects = [np.zeros(int(np.prod(shape))) for _, shape in parts]
    places = [
        placed[names[0]] if len(names) == 1 else coarse[names[0]] * shape[1] + coarse[names[1]]
        for names, shape in parts
    ]
    for _ in range(_ROUNDS):
        for effect, place in zip(effects, places, strict=True):
            left += effect[place]
            sums = np.bincount(place, left, minlength=len(effect))
            counts = np.bincount(place, minlength=len(effect))
            effect[:] = sums / (counts + _SHRINK)
            left -= effect[place]
    return TableModel(
        base,
        tuple(
            Table(names, effect.reshape(shape))
            for (names, shape), effect in zip(parts, effects, strict=True)
        ),
    )


def pair_tables(
    pairs: Sequence[tuple[str, str]],
    coarse: Mapping[str, Ids],
    sizes: Mapping[str, int],
    most: int,
) -> TableModel:
    """Return how much likelier pairs of cells are together than apart, as logarithms.

    Its mean over rows falls when columns no longer belong together, though each alone is as ever.

    Args:
        pairs: Columns that may belong together.
        coarse: Coarse cells by column, of the reference.
        sizes: Coarse cells that each column can have.
        most: Pairs to keep, those that belong together most.
    """
    found = []
    for first, second in pairs:
        shape = sizes[first], sizes[second]
        flat = coarse[first] * shape[1] + coarse[second]
        both = np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
        rows = both.sum()
        apart = np.outer(both.sum(axis=1), both.sum(axis=0)) / rows
        effects = np.clip(np.log((both + _SHRINK / 4) / (apart + _SHRINK / 4)), -3, 3)
        cells = np.count_nonzero(apart)
        found.append((float((both * effects).sum() / rows) - cells / 2 / rows,
                      Table((first, second), effects)))  # fmt: skip
    strongest = sorted(range(len(found)), key=lambda k: (-found[k][0], k))[:most]
    return TableModel(0.0, tuple(found[k][1] for k in sorted(strongest)))
