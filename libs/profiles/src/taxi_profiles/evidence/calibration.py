"""What a model version's blocks are compared with; kept in its reference as plain arrays."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.evidence.bets import Book, book_of
from taxi_profiles.evidence.cells import Cells
from taxi_profiles.evidence.gain import Correction
from taxi_profiles.evidence.signals import (
    BIAS,
    ESTIMATED_HARM,
    HARM,
    HARMFUL_BIAS,
    Conditional,
    Means,
    Models,
    harmful_bias,
)
from taxi_profiles.evidence.streams import (
    NULLABLE_SHARE,
    NULLS,
    SMALL_HARM,
    Side,
    column_of,
    score_of,
)
from taxi_profiles.evidence.tables import Table, TableModel
from taxi_profiles.evidence.traffic import UsualTraffic
from taxi_profiles.reference import Reference

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

#: Rows of a block, the largest of which a reference has enough.
BLOCK_SIZES: Final = (500, 250, 100)
#: Blocks of the reference below which its evidence says nothing.
MIN_BLOCKS: Final = 30
_FORMAT: Final = 1
_LAYOUT: Final = "layout"


class NotCalibratedError(ValueError):
    """A reference cannot give evidence; the text says why and what helps."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Everything that evidence needs of a reference.

    Attributes:
        block_rows: Rows of a block.
        rows: Rows of the reference.
        timed: Whether rows have event times.
        deciding: Columns whose streams decide; those of the others are shown.
        nullable: Columns that may be missing.
        models: What turns rows into numbers.
        tables: Counts of the reference by stratum and cell, by column, each of shape (17, cells).
        largest: Cells that are compared one by one, by column.
        row_means: Sums of the signals of rows.
        label_means: Sums of the signals of labelled rows.
        correction: What `gain` is made of.
        scores: Of the reference's own blocks, each left out of what it is compared with, in the
            order of time, by stream.
        problems: By stream or column, why it has no evidence.
        borrowed: Blocks of these that are a predecessor's.
        traffic: Rows by the hour; None where rows have no event times, and in versions of before.
    """

    block_rows: int
    rows: int
    timed: bool
    deciding: frozenset[str]
    nullable: frozenset[str]
    models: Models
    tables: Mapping[str, Floats]
    largest: Mapping[str, Ids]
    row_means: Means
    label_means: Means
    correction: Correction
    scores: Mapping[str, Floats]
    problems: Mapping[str, str]
    borrowed: int = 0
    traffic: UsualTraffic | None = None

    @property
    def blocks(self) -> int:
        """Blocks of the reference, those of a predecessor too."""
        return max((len(scores) for scores in self.scores.values()), default=0)

    def book(self, side: Side) -> Book:
        """Return the bets of one side.

        Raises:
            NotCalibratedError: the reference has too few blocks.
        """
        if self.blocks < MIN_BLOCKS:
            raise NotCalibratedError(
                f"evidence: the reference is too short for blocks of {self.block_rows} rows: it "
                f"has {self.blocks} of {MIN_BLOCKS}; train on at least "
                f"{MIN_BLOCKS * BLOCK_SIZES[-1]} rows, better {MIN_BLOCKS * BLOCK_SIZES[0]}"
            )
        # Made of two others here, so that versions of before have it too.
        bias = harmful_bias(self.scores[BIAS], self.scores[HARM], self.small_harm)
        scores = {**self.scores, HARMFUL_BIAS: bias}
        return book_of(
            {
                name: (some, score_of(name).sides, self._floor(name))
                for name, some in scores.items()
                if score_of(name).side is side and len(some) >= MIN_BLOCKS
            }
        )

    def _floor(self, stream: str) -> float:
        floor = score_of(stream).floor
        if stream.startswith(NULLS) and column_of(stream) in self.nullable:
            return max(floor, NULLABLE_SHARE)
        if stream in (ESTIMATED_HARM, HARMFUL_BIAS) or stream.startswith(HARM):
            return max(floor, self.small_harm)
        return floor

    @property
    def small_harm(self) -> float:
        """Growth of the mean loss up to which nothing is suspicious."""
        return SMALL_HARM * self.mean_loss

    @property
    def mean_loss(self) -> float:
        """Mean loss of the reference, 0..1: its error over `Models.loss_limit`, at most 1."""
        place = self.label_means.names.index(HARM)
        return float(self.label_means.sums[place].sum() / self.label_means.counts[place].sum())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays; the same calibration gives the same ones."""
        arrays: dict[str, NDArray[Any]] = {}
        cells = self.models.cells
        for place, name in enumerate(cells):
            arrays[f"cells/{place}/points"] = cells[name].points
            arrays[f"cells/{place}/coarse"] = self.models.coarse[name].astype(np.int16)
            arrays[f"cells/{place}/table"] = self.tables[name]
            arrays[f"cells/{place}/largest"] = self.largest[name]
        models = {
            **{f"conditional/{name}": one.model for name, one in self.models.conditionals.items()},
            "pairs": self.models.pairs,
            "error": self.models.error,
        }
        for place, model in enumerate(models.values()):
            for number, table in enumerate(model.tables):
                arrays[f"models/{place}/{number}"] = table.effects
        for side, means in (("rows", self.row_means), ("labels", self.label_means)):
            arrays[f"means/{side}/sums"] = means.sums
            arrays[f"means/{side}/counts"] = means.counts
        for place, some in enumerate(self.scores.values()):
            arrays[f"scores/{place}"] = some
        if self.traffic is not None:
            arrays |= self.traffic.arrays()
        layout = {
            "format": _FORMAT,
            "block_rows": self.block_rows,
            "rows": self.rows,
            "timed": self.timed,
            "deciding": sorted(self.deciding),
            "nullable": sorted(self.nullable),
            "cells": [[name, one.categorical] for name, one in cells.items()],
            "conditionals": {
                name: [one.scale, one.limit] for name, one in self.models.conditionals.items()
            },
            "models": [
                [name, model.base, [list(table.columns) for table in model.tables]]
                for name, model in models.items()
            ],
            "loss_limit": self.models.loss_limit,
            "row_means": list(self.row_means.names),
            "label_means": list(self.label_means.names),
            "correction": [
                dict(self.correction.scales), self.correction.middle, self.correction.spread,
                self.correction.limit,
            ],
            "scores": list(self.scores),
            "problems": dict(self.problems),
            "borrowed": self.borrowed,
        }  # fmt: skip
        arrays[_LAYOUT] = np.frombuffer(json.dumps(layout).encode(), np.uint8)
        return arrays


def calibration_of(reference: Reference) -> Calibration:
    """Return the calibration that a reference holds.

    Raises:
        NotCalibratedError: it has none, as those of versions that were trained before there was
            evidence, or one of a later format.
    """
    arrays = reference.evidence
    if not arrays:
        raise NotCalibratedError(
            "evidence: the version's reference has none; train it anew for a verdict with evidence"
        )
    layout = json.loads(arrays[_LAYOUT].tobytes())
    if layout["format"] != _FORMAT:
        raise NotCalibratedError(
            f"evidence: the reference's is of format {layout['format']}, {_FORMAT} is known; "
            "train the version anew"
        )
    named = [name for name, _ in layout["cells"]]
    cells = {
        name: Cells(arrays[f"cells/{place}/points"], categorical)
        for place, (name, categorical) in enumerate(layout["cells"])
    }

    def by_column(part: str, kind: type) -> dict[str, NDArray[Any]]:
        return {
            name: arrays[f"cells/{place}/{part}"].astype(kind) for place, name in enumerate(named)
        }

    models = {
        name: TableModel(
            base,
            tuple(
                Table(tuple(columns), arrays[f"models/{place}/{number}"])
                for number, columns in enumerate(tables)
            ),
        )
        for place, (name, base, tables) in enumerate(layout["models"])
    }
    scales, middle, spread, limit = layout["correction"]
    return Calibration(
        block_rows=layout["block_rows"],
        rows=layout["rows"],
        timed=layout["timed"],
        deciding=frozenset(layout["deciding"]),
        nullable=frozenset(layout["nullable"]),
        models=Models(
            cells=cells,
            coarse=by_column("coarse", np.int64),
            conditionals={
                name: Conditional(scale, most, models[f"conditional/{name}"])
                for name, (scale, most) in layout["conditionals"].items()
            },
            pairs=models["pairs"],
            error=models["error"],
            loss_limit=layout["loss_limit"],
        ),
        tables=by_column("table", np.float64),
        largest=by_column("largest", np.int64),
        row_means=_means(arrays, "rows", layout["row_means"]),
        label_means=_means(arrays, "labels", layout["label_means"]),
        correction=Correction(scales, middle, spread, limit),
        scores={name: arrays[f"scores/{place}"] for place, name in enumerate(layout["scores"])},
        problems=layout["problems"],
        borrowed=layout["borrowed"],
        traffic=UsualTraffic.of_arrays(arrays),
    )


def _means(arrays: Mapping[str, NDArray[Any]], side: str, names: list[str]) -> Means:
    return Means(tuple(names), arrays[f"means/{side}/sums"], arrays[f"means/{side}/counts"])
