"""Numbers by row whose mean over a block is a score, and the models that they come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.evidence.cells import Cells, weights_of
from taxi_profiles.evidence.rows import ALL_STRATA, Rows
from taxi_profiles.evidence.streams import SLICE
from taxi_profiles.evidence.tables import TableModel
from taxi_profiles.reference import PREDICTION, TARGET

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

HARM: Final = "harm"
BIAS: Final = "bias"
HARMFUL_BIAS: Final = "harmful_bias"
GAIN: Final = "gain"
ESTIMATED_HARM: Final = "estimated_harm"
MULTIVARIATE: Final = "multivariate"
#: Name of the strata among the columns of a table.
HOURS: Final = "$hours"


@dataclass(frozen=True, slots=True)
class Conditional:
    """A number given the other columns.

    Attributes:
        scale: Where the number's logarithm begins, in its unit.
        limit: Largest residual that counts.
        model: What is expected of the number's `arcsinh(x / scale)`.
    """

    scale: float
    limit: float
    model: TableModel


@dataclass(frozen=True, slots=True)
class Models:
    """What turns rows into numbers.

    Attributes:
        cells: Of the columns, `PREDICTION` among them.
        coarse: Coarse cell of each cell, by column.
        conditionals: By numeric column.
        pairs: How much likelier pairs of values are together.
        error: What loss is expected of a row.
        loss_limit: Error at which the loss reaches 1, in the target's unit.
    """

    cells: Mapping[str, Cells]
    coarse: Mapping[str, Ids]
    conditionals: Mapping[str, Conditional]
    pairs: TableModel
    error: TableModel
    loss_limit: float

    def place(self, rows: Rows) -> tuple[dict[str, Ids], dict[str, Ids]]:
        """Return the cells and the coarse cells of rows, by column; a column may be absent."""
        placed = {
            name: cells.place(
                rows.columns[name] if name in rows.columns else np.full(len(rows), np.nan)
            )
            for name, cells in self.cells.items()
        }
        coarse = {name: self.coarse[name][places] for name, places in placed.items()}
        placed[HOURS] = coarse[HOURS] = rows.strata
        return placed, coarse


def row_signals(
    models: Models, rows: Rows, placed: Mapping[str, Ids], coarse: Mapping[str, Ids]
) -> dict[str, Floats]:
    """Return the numbers of rows of which no label is needed, by stream; NaN counts for nothing."""
    found = {}
    for name, conditional in models.conditionals.items():
        if name in rows.columns:
            expected = conditional.model.predict(placed, coarse)
            residual = np.arcsinh(rows.columns[name] / conditional.scale) - expected
            residual = np.clip(residual, -conditional.limit, conditional.limit)
            found[f"conditional:{name}"] = residual
            found[f"scatter:{name}"] = np.abs(residual)
    if models.pairs.tables:
        found[MULTIVARIATE] = models.pairs.predict(placed, coarse)
    if models.error.tables:
        found[ESTIMATED_HARM] = models.error.predict(placed, coarse)
    return found


def label_signals(models: Models, rows: Rows) -> dict[str, Floats]:
    """Return the numbers of labelled rows, by stream; those of slices are NaN for other rows."""
    relative = (rows.columns[TARGET] - rows.columns[PREDICTION]) / models.loss_limit
    loss = np.minimum(np.abs(relative), 1.0)
    found = {HARM: loss, BIAS: np.clip(relative, -1.0, 1.0)}
    for name, members in rows.slices.items():
        found[f"{HARM}{SLICE}{name}"] = np.where(members, loss, np.nan)
    return found


def harmful_bias(bias: Floats | float, harm: Floats | float, small: float) -> Floats:
    """Return what counts of a bias: nothing where the error did not grow by more than is small.

    A block's bias shows a wrong model in fewer rows than its error does, a better one as well.

    Args:
        bias: Of blocks.
        harm: Of the same blocks.
        small: Harm that matters to nobody.
    """
    return np.where(np.asarray(harm) > small, bias, 0.0)


@dataclass(frozen=True, slots=True)
class Means:
    """Sums of signals by stratum.

    Attributes:
        names: Streams, in the order of the rows of `sums`.
        sums: Shape (streams, 17).
        counts: Rows with a number, shape (streams, 17).
    """

    names: tuple[str, ...]
    sums: Floats
    counts: Floats

    def without(self, part: "Means") -> "Means":
        """Return the sums without those of a part of the rows."""
        return Means(self.names, self.sums - part.sums, self.counts - part.counts)

    def __add__(self, other: "Means") -> "Means":
        """Return the sums of both."""
        return Means(self.names, self.sums + other.sums, self.counts + other.counts)

    def scores(self, block: "Means", mixture: Floats) -> dict[str, float]:
        """Return how far a block's means are from those of these rows at its hours.

        Args:
            block: Sums of the block.
            mixture: Rows of the block by stratum, shape (17,).
        """
        found = {}
        places = {name: place for place, name in enumerate(block.names)}
        for own, name in enumerate(self.names):
            if name not in places:
                continue
            count = float(block.counts[places[name]].sum())
            if not count:
                continue
            counts, sums = self.counts[own], self.sums[own]
            weights, beside = weights_of(mixture, counts)
            expected = float(weights @ sums + beside * sums.sum())
            score = float(block.sums[places[name]].sum()) / count - expected
            if SLICE in name:  # a mean of few rows is noise
                score *= float(np.sqrt(count / mixture.sum()))
            found[name] = score
        return found


def means_of(signals: Mapping[str, Floats], strata: Ids) -> Means:
    """Sum signals by stratum."""
    names = tuple(signals)
    sums = np.zeros((len(names), ALL_STRATA))
    counts = np.zeros((len(names), ALL_STRATA))
    for place, values in enumerate(signals.values()):
        known = np.isfinite(values)
        at = strata if known.all() else strata[known]
        some = values if known.all() else values[known]
        sums[place] = np.bincount(at, some, minlength=ALL_STRATA)
        counts[place] = np.bincount(at, minlength=ALL_STRATA)
    return Means(names, sums, counts)
