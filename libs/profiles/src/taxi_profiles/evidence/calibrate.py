"""Calibration: the reference's own blocks, scored as live blocks are."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.evidence.calibration import BLOCK_SIZES, MIN_BLOCKS, Calibration
from taxi_profiles.evidence.cells import (
    LARGEST,
    Cells,
    category_cells,
    column_scores,
    expected_shares,
    number_cells,
    table_of,
)
from taxi_profiles.evidence.gain import HISTORY, Correction, correction_of, harmful_gain
from taxi_profiles.evidence.rows import ALL_STRATA, Mask, Rows, rows_of
from taxi_profiles.evidence.scoring import renamed
from taxi_profiles.evidence.signals import (
    GAIN,
    HARM,
    HOURS,
    Conditional,
    Models,
    label_signals,
    means_of,
    row_signals,
)
from taxi_profiles.evidence.tables import (
    COARSE,
    coarse_map,
    fit_tables,
    pair_tables,
)
from taxi_profiles.evidence.traffic import usual_traffic
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference, Sample

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

#: The reference's rows are scored by models that were fitted on the other parts of the time.
_PARTS: Final = 4
#: Largest error that counts: this quantile of the reference's.
_LOSS_QUANTILE: Final = 0.99
#: Pairs of columns: those that belong together most are kept, of so many that are looked at.
_PAIRS: Final = 24
_MAX_PAIRED: Final = 16
#: Columns that a number is expected from, and its residuals' largest quantile that counts.
_MAX_GIVEN: Final = 16
_RESIDUAL_QUANTILE: Final = 0.99
_GIVEN_PAIRS: Final = 3
#: Columns of tables, with the tables' shapes.
_Parts = Sequence[tuple[tuple[str, ...], tuple[int, ...]]]


def calibrate(
    reference: Reference,
    sample: Sample,
    *,
    slices: Mapping[str, Mask] | None = None,
    nullable: Iterable[str] = (),
    block_rows: int | None = None,
) -> Calibration:
    """Calibrate evidence.

    Args:
        reference: Of the sample: it has the codes of its categories.
        sample: With out-of-fold predictions and labels of every row.
        slices: Members by `slice=group`, each of shape (n,), in the order of the sample.
        nullable: Columns that may be missing.
        block_rows: Rows of a block; None takes the most of 500, 250 and 100 of which the reference
            has enough.
    """
    rows = _ordered(reference, sample, slices or {})
    block_rows = block_rows or _block_rows(len(rows))
    errors = np.abs(rows.columns[PREDICTION] - rows.columns[TARGET])
    limit = float(np.quantile(errors, _LOSS_QUANTILE)) or 1.0
    fit = _fit_of(rows, limit, frozenset(sample.categorical))
    models, signals = fit.models(), fit.out_of_part()
    labels = label_signals(models, rows)
    blocks = _blocks(len(rows), block_rows)
    correction = correction_of(
        rows.columns, {name: one.scale for name, one in models.conditionals.items()}, limit
    )
    scores = _cell_scores(fit, blocks) | _never(fit, len(blocks), timed=reference.timed)
    for some in (signals, labels):
        scores |= _mean_scores(some, rows.strata, blocks)
    scores[GAIN] = _gains(rows, blocks, correction, scores.get(HARM, np.empty(0)))
    return Calibration(
        block_rows=block_rows,
        rows=len(rows),
        timed=reference.timed,
        deciding=sample.deciding,
        nullable=frozenset(nullable),
        models=models,
        tables=fit.tables,
        largest=fit.largest,
        row_means=means_of(signals, rows.strata),
        label_means=means_of(labels, rows.strata),
        correction=correction,
        scores=scores,
        problems={},
        traffic=usual_traffic(rows.columns[MOMENT]) if reference.timed else None,
    )


def _block_rows(rows: int) -> int:
    enough = (size for size in BLOCK_SIZES if rows // size >= MIN_BLOCKS)
    return next(enough, BLOCK_SIZES[0])


def _never(fit: "_Fit", blocks: int, *, timed: bool) -> dict[str, Floats]:
    """Return the scores of what a reference never has: its rows were accepted and labelled."""
    streams = ["refused", "labels_outside", *(f"refused:{name}" for name in fit.inputs)]
    if timed:
        streams.append("untimed")
    return {stream: np.zeros(blocks) for stream in streams}


def _ordered(reference: Reference, sample: Sample, slices: Mapping[str, Mask]) -> Rows:
    columns: dict[str, Floats] = {
        **sample.numeric,
        **{name: reference.codes(name, values) for name, values in sample.categorical.items()},
        PREDICTION: sample.prediction,
        TARGET: sample.target,
    }
    if sample.moments is None:
        return rows_of(columns, False, slices)
    order = np.argsort(sample.moments, kind="stable")
    columns[MOMENT] = sample.moments
    return rows_of(
        {name: np.asarray(column, np.float64)[order] for name, column in columns.items()},
        True,
        {name: mask[order] for name, mask in slices.items()},
    )


def _gains(rows: Rows, blocks: Sequence[slice], correction: Correction, harms: Floats) -> Floats:
    found = []
    for block, harm in zip(blocks, harms.tolist(), strict=True):
        before = slice(max(block.start - HISTORY, 0), block.start)
        saved = correction.saving(_part(rows, before), _part(rows, block))
        if saved is not None:
            found.append(harmful_gain(saved, harm))
    return np.array(found)


def _part(rows: Rows, chosen: slice) -> dict[str, Floats]:
    return {name: column[chosen] for name, column in rows.columns.items()}


def _blocks(rows: int, size: int) -> list[slice]:
    """Return contiguous blocks, the last one at the end."""
    return [slice(start, start + size) for start in range(rows % size, rows, size)]


def _fit_of(rows: Rows, limit: float, categorical: frozenset[str]) -> "_Fit":
    columns = {name: column for name, column in rows.columns.items()
               if name not in {TARGET, MOMENT}}  # fmt: skip
    cells = {
        name: category_cells(column) if name in categorical else number_cells(column)
        for name, column in columns.items()
    }
    placed = {name: cells[name].place(column) for name, column in columns.items()}
    tables = {name: table_of(placed[name], rows.strata, cells[name].size) for name in cells}
    totals = {name: table.sum(axis=0) for name, table in tables.items()}
    return _Fit(
        rows=rows,
        cells=cells,
        coarse={name: coarse_map(one, totals[name]) for name, one in cells.items()},
        placed=placed,
        tables=tables,
        largest={
            name: np.argsort(-totals[name][: one.known], kind="stable")[:LARGEST]
            for name, one in cells.items()
        },
        limit=limit,
        categorical=categorical,
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    """The rows of a reference in their cells, and the models that are fitted to them."""

    rows: Rows
    cells: Mapping[str, Cells]
    coarse: Mapping[str, Ids]
    placed: Mapping[str, Ids]
    tables: Mapping[str, Floats]
    largest: Mapping[str, Ids]
    limit: float
    categorical: frozenset[str]

    @property
    def inputs(self) -> list[str]:
        """Names of the columns, without the prediction."""
        return [name for name in self.cells if name != PREDICTION]

    def models(self, left_out: slice = slice(0)) -> Models:
        """Fit on the rows that are not left out."""
        kept = np.ones(len(self.rows), bool)
        kept[left_out] = False
        placed = {name: places[kept] for name, places in self.placed.items()}
        coarse = {name: self.coarse[name][places] for name, places in placed.items()}
        placed[HOURS] = coarse[HOURS] = self.rows.strata[kept]
        paired = [*self.inputs[:_MAX_PAIRED], HOURS]
        loss = np.minimum(
            np.abs(self.rows.columns[PREDICTION] - self.rows.columns[TARGET])[kept] / self.limit, 1
        )
        return Models(
            cells=self.cells,
            coarse=self.coarse,
            conditionals=self._conditionals(kept, placed, coarse),
            pairs=pair_tables(
                list(itertools.combinations(paired, 2)), coarse,
                {name: self._coarse_size(name) for name in paired}, _PAIRS,
            ),
            error=fit_tables(
                loss, self._single([*self.inputs, PREDICTION, HOURS]), placed, coarse
            ),
            loss_limit=self.limit,
        )  # fmt: skip

    def out_of_part(self) -> dict[str, Floats]:
        """Return the signals of all rows, each by models that were fitted on other parts."""
        bounds = np.linspace(0, len(self.rows), _PARTS + 1).astype(int)
        found = []
        for start, end in itertools.pairwise(bounds.tolist()):
            models, rows = self.models(slice(start, end)), self.rows.part(slice(start, end))
            placed, coarse = models.place(rows)
            found.append(row_signals(models, rows, placed, coarse))
        names = dict.fromkeys(name for one in found for name in one)
        lengths = np.diff(bounds).tolist()
        # A number that only one part has cannot be expected from the others.
        return {
            name: np.concatenate(
                [
                    one.get(name, np.full(length, np.nan))
                    for one, length in zip(found, lengths, strict=True)
                ]
            )
            for name in names
        }

    def _conditionals(
        self, kept: Mask, placed: Mapping[str, Ids], coarse: Mapping[str, Ids]
    ) -> dict[str, Conditional]:
        categories = [name for name in self.inputs if name in self.categorical]
        pairs: _Parts = [
            ((first, second), (self._coarse_size(first), self._coarse_size(second)))
            for first, second in itertools.combinations(categories[:_MAX_GIVEN], 2)
        ]
        found = {}
        for name in self.inputs:
            others = [other for other in self.inputs if other != name][:_MAX_GIVEN]
            column = self.rows.columns[name][kept]
            known = np.isfinite(column)
            values = column[known]
            if name in self.categorical or not others or not len(values):
                continue
            sizes = np.abs(values[values != 0])
            scale = float(np.quantile(sizes, 0.1)) if len(sizes) else 1.0
            target = np.arcsinh(values / scale)
            some = {other: places[known] for other, places in placed.items()}
            few = {other: places[known] for other, places in coarse.items()}
            model = fit_tables(target, [*self._single(others), *pairs[:_GIVEN_PAIRS]], some, few)
            residuals = np.abs(target - model.predict(some, few))
            limit = float(np.quantile(residuals, _RESIDUAL_QUANTILE))
            found[name] = Conditional(scale, max(limit, 1e-3), model)
        return found

    def _single(self, names: Sequence[str]) -> _Parts:
        return [
            ((name,), (ALL_STRATA if name == HOURS else self.cells[name].size,)) for name in names
        ]

    def _coarse_size(self, name: str) -> int:
        return ALL_STRATA if name == HOURS else min(self.cells[name].known, COARSE) + 2


def _cell_scores(fit: _Fit, blocks: Sequence[slice]) -> dict[str, Floats]:
    rows, placed, tables = fit.rows, fit.placed, fit.tables
    found: dict[str, list[float]] = {}
    for block in blocks:
        strata = np.bincount(rows.strata[block], minlength=ALL_STRATA).astype(np.float64)
        for name, one in fit.cells.items():
            own = table_of(placed[name][block], rows.strata[block], one.size)
            others = tables[name] - own
            counts = own.sum(axis=0)
            # A category that no other block has would be unseen.
            alone = (others.sum(axis=0) <= 0) & (counts > 0)
            alone[one.known :] = False
            if alone.any() and one.categorical:
                counts[one.unseen] += counts[alone].sum()
                counts[alone] = 0
            scored = column_scores(one, counts, expected_shares(others, strata), fit.largest[name])
            for stream, value in renamed(name, scored.scores).items():
                found.setdefault(stream, []).append(value)
    return {stream: np.array(values) for stream, values in found.items()}


def _mean_scores(
    signals: Mapping[str, Floats], strata: Ids, blocks: Sequence[slice]
) -> dict[str, Floats]:
    whole = means_of(signals, strata)
    found: dict[str, list[float]] = {}
    for block in blocks:
        own = means_of({name: values[block] for name, values in signals.items()}, strata[block])
        mixture = np.bincount(strata[block], minlength=ALL_STRATA).astype(np.float64)
        for name, value in whole.without(own).scores(own, mixture).items():
            found.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in found.items()}
