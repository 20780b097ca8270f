"""The summarised reference of one model version: what the monitor loads.

Made once, by training; kept in the artifact as an npz archive of plain arrays.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.calibration import COLUMN_MARGIN, Scale, Thresholds, calibrate
from taxi_profiles.categorical import MAX_DISTANCE, CategoricalProfile, categorical_profile
from taxi_profiles.errors import ErrorProfile, error_profile
from taxi_profiles.noise import Noise
from taxi_profiles.numeric import NumericProfile, numeric_profile
from taxi_profiles.strata import shares_of, strata_of
from taxi_profiles.stratified import (
    StratifiedColumn,
    stratified_categorical,
    stratified_numeric,
    table_of,
)

Floats = NDArray[np.float64]

PICKUP: Final = "PULocationID"
DROPOFF: Final = "DOLocationID"
DISTANCE: Final = "trip_distance"
PREDICTION: Final = "prediction"
TARGET: Final = "target"
#: Column of local times, seconds since 1970-01-01 00:00 local; orders and matches the rides.
MOMENT: Final = "moment"

CATEGORICAL: Final = (PICKUP, DROPOFF)
NUMERIC: Final = (DISTANCE, PREDICTION, TARGET)
COLUMNS: Final = CATEGORICAL + NUMERIC
#: Inputs decide; prediction follows them and the target has seasons and storms of its own.
DECIDING: Final = (DISTANCE, PICKUP, DROPOFF)


@dataclass(frozen=True, slots=True)
class Reference:
    """Everything that a window is compared with."""

    rows: int
    numeric: Mapping[str, NumericProfile]
    categorical: Mapping[str, CategoricalProfile]
    stratified: Mapping[str, StratifiedColumn]
    thresholds: Mapping[str, Thresholds]
    error: ErrorProfile

    def to_bytes(self) -> bytes:
        """Return an npz archive of plain arrays; the same reference gives the same bytes."""
        arrays: dict[str, NDArray[np.float64]] = {"rows": np.array([float(self.rows)])}
        for name, numeric in self.numeric.items():
            arrays[f"numeric/{name}/values"] = numeric.values
            arrays[f"numeric/{name}/counts"] = numeric.counts
            arrays[f"numeric/{name}/other"] = np.array([numeric.std, float(numeric.missing)])
        for name, categorical in self.categorical.items():
            arrays[f"categorical/{name}/ids"] = categorical.ids.astype(np.float64)
            arrays[f"categorical/{name}/counts"] = categorical.counts
        for name, stratified in self.stratified.items():
            arrays[f"stratified/{name}/points"] = stratified.points
            arrays[f"stratified/{name}/table"] = stratified.table
            arrays[f"stratified/{name}/scale"] = np.array([stratified.scale])
        for name, thresholds in {**self.thresholds, "error": self.error.thresholds}.items():
            arrays[f"thresholds/{name}/row_counts"] = thresholds.row_counts
            arrays[f"thresholds/{name}/values"] = thresholds.values
        arrays["error/squares"] = self.error.squares
        arrays["error/counts"] = self.error.counts
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Reference":
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: damaged, or not a reference.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as opened:
                arrays = {name: opened[name] for name in opened.files}
            return _reference_of(arrays)
        except (KeyError, OSError, EOFError, IndexError) as error:
            raise ValueError(f"not a reference profile: {error!r}") from error


def reference_of(columns: Mapping[str, Floats]) -> Reference:
    """Summarise and calibrate a reference.

    Args:
        columns: PULocationID, DOLocationID, trip_distance (miles), prediction and target
            (minutes) and moment, each of shape (n,), finite, in any order of rows.

    Raises:
        ValueError: a column is missing, empty or not finite.
    """
    missing = [name for name in (*COLUMNS, MOMENT) if name not in columns]
    if missing:
        raise ValueError(f"reference: no column {', '.join(missing)}")
    order = np.argsort(columns[MOMENT], kind="stable")
    ordered = {name: np.asarray(columns[name], np.float64)[order] for name in (*COLUMNS, MOMENT)}
    rows = len(order)
    bad = [name for name, column in ordered.items() if not np.isfinite(column).all()]
    if bad or rows < 2:
        raise ValueError(f"reference: {rows} rows; not finite: {', '.join(bad) or 'none'}")
    strata = strata_of(ordered[MOMENT])
    stratified = {
        name: (stratified_categorical if name in CATEGORICAL else stratified_numeric)(
            ordered[name], strata
        )
        for name in COLUMNS
    }

    def score(block: slice) -> dict[str, float]:
        mixture = shares_of(strata[block])
        scores = {}
        for name, column in stratified.items():
            own = table_of(column, ordered[name][block], strata[block])
            scores[name] = column.distance(own.sum(axis=0), mixture, own)
        return scores

    def scale(column: StratifiedColumn) -> Scale:
        def noise(size: int, blocks: Sequence[slice]) -> Noise:
            mixtures = [shares_of(strata[block]) for block in blocks] or [shares_of(strata)]
            return column.noise(size, mixtures)

        return Scale(noise, np.inf if column.is_numeric else MAX_DISTANCE)

    scales = {name: scale(column) for name, column in stratified.items()}
    return Reference(
        rows=rows,
        numeric={name: numeric_profile(ordered[name]) for name in NUMERIC},
        categorical={
            name: categorical_profile(ordered[name].astype(np.int64)) for name in CATEGORICAL
        },
        stratified=stratified,
        thresholds=calibrate(rows, score, scales, COLUMN_MARGIN),
        error=error_profile(ordered[PREDICTION] - ordered[TARGET], strata),
    )


def _reference_of(arrays: Mapping[str, Floats]) -> Reference:
    def thresholds(name: str) -> Thresholds:
        prefix = f"thresholds/{name}/"
        return Thresholds(arrays[f"{prefix}row_counts"], arrays[f"{prefix}values"])

    numeric = {}
    for name in NUMERIC:
        prefix = f"numeric/{name}/"
        std, missing = arrays[f"{prefix}other"]
        numeric[name] = NumericProfile(
            arrays[f"{prefix}values"], arrays[f"{prefix}counts"], float(std), int(missing)
        )
    return Reference(
        rows=int(arrays["rows"][0]),
        numeric=numeric,
        categorical={
            name: CategoricalProfile(
                arrays[f"categorical/{name}/ids"].astype(np.int64),
                arrays[f"categorical/{name}/counts"],
            )
            for name in CATEGORICAL
        },
        stratified={
            name: StratifiedColumn(
                arrays[f"stratified/{name}/points"],
                arrays[f"stratified/{name}/table"],
                float(arrays[f"stratified/{name}/scale"][0]),
            )
            for name in COLUMNS
        },
        thresholds={name: thresholds(name) for name in COLUMNS},
        error=ErrorProfile(arrays["error/squares"], arrays["error/counts"], thresholds("error")),
    )
