"""The summarised reference of one model version: what the monitor loads.

Made once, by training; kept in the artifact as an npz archive of plain arrays.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

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

PREDICTION: Final = "prediction"
TARGET: Final = "target"
#: Column of local times, seconds since 1970-01-01 00:00 local; orders and stratifies the rows.
#: No column of a schema has a name like this.
MOMENT: Final = "$moment"

#: A column of categories: strings, integers or booleans, None where missing; or integers as
#: floats, NaN where missing.
Values = Sequence[str | int | bool | None] | Floats

_LAYOUT: Final = "layout"
_EVIDENCE: Final = "evidence/"


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows that a reference is made of, as columns of n rows in any order.

    Attributes:
        numeric: Numbers by column name, each of shape (n,); NaN is missing.
        categorical: Categories by column name, each of length n.
        prediction: Out-of-fold predictions, in the target's unit, shape (n,), finite.
        target: Labels, in the target's unit, shape (n,), finite.
        moments: Local event times, seconds since 1970-01-01 00:00 local, shape (n,); None when
            rows have no event time: they are then not stratified, and in the order of time.
        deciding: Columns that take part in the verdict. Prediction and target never do: the one
            follows the inputs, the other has seasons of its own.
        partial: Whether predictions and labels may be missing (NaN), in some rows or in all, as in
            files of which no model was made.
    """

    numeric: Mapping[str, Floats]
    categorical: Mapping[str, Values]
    prediction: Floats
    target: Floats
    moments: Floats | None = None
    deciding: frozenset[str] = frozenset()
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """Everything that a window is compared with.

    Columns of categories are compared as codes: an integer or boolean is its own, a string's is its
    place in `categories`.

    Attributes:
        rows: Rows of the sample.
        timed: Whether rows have event times.
        deciding: Columns that take part in the verdict.
        categories: Values of each column of strings, ascending.
        numeric: Profiles of numbers, `prediction` and `target` among them.
        categorical: Profiles of categories, by code.
        stratified: Counts by stratum of every column that has a value.
        thresholds: Largest usual scores of these.
        error: Profile of the model's error; None where the rows have no two errors.
        evidence: What `taxi_profiles.evidence` needs, as it keeps it; empty where there is none.
    """

    rows: int
    timed: bool
    deciding: frozenset[str]
    categories: Mapping[str, tuple[str, ...]]
    numeric: Mapping[str, NumericProfile]
    categorical: Mapping[str, CategoricalProfile]
    stratified: Mapping[str, StratifiedColumn]
    thresholds: Mapping[str, Thresholds]
    error: ErrorProfile | None
    evidence: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns, `prediction` and `target` last."""
        inputs = [name for name in self.numeric if name not in {PREDICTION, TARGET}]
        return (*inputs, *self.categorical, PREDICTION, TARGET)

    def codes(self, name: str, values: Values) -> Floats:
        """Return a column of categories as codes.

        Args:
            name: Column name.
            values: Categories, length n.

        Returns:
            Codes, shape (n,). A string that the reference never had has one that no other has,
            a missing value has NaN.
        """
        return coded(self.categories.get(name), values)

    def category(self, name: str, code: float) -> str | int:
        """Return the category of a code that the reference has."""
        values = self.categories.get(name)
        return int(code) if values is None else values[int(code)]

    def to_bytes(self) -> bytes:
        """Return an npz archive of plain arrays; the same reference gives the same bytes.

        Raises:
            ValueError: it has no errors, so it is no model's.
        """
        if self.error is None:
            raise ValueError("reference: has no errors, and no model is without")
        layout = {
            "rows": self.rows,
            "timed": self.timed,
            "deciding": sorted(self.deciding),
            "numeric": list(self.numeric),
            "categorical": [[name, self.categories.get(name)] for name in self.categorical],
        }
        arrays: dict[str, NDArray[Any]] = {
            _LAYOUT: np.frombuffer(json.dumps(layout).encode(), np.uint8)
        }
        # By place and not by name: a column may have any name.
        for place, numeric in enumerate(self.numeric.values()):
            arrays[f"numeric/{place}/values"] = numeric.values
            arrays[f"numeric/{place}/counts"] = numeric.counts
            arrays[f"numeric/{place}/other"] = np.array([numeric.std, float(numeric.missing)])
        for place, categorical in enumerate(self.categorical.values()):
            arrays[f"categorical/{place}/ids"] = categorical.ids.astype(np.float64)
            arrays[f"categorical/{place}/counts"] = categorical.counts
        for place, name in enumerate(self.columns):
            if name in self.stratified:
                stratified = self.stratified[name]
                arrays[f"stratified/{place}/points"] = stratified.points
                arrays[f"stratified/{place}/table"] = stratified.table
                arrays[f"stratified/{place}/scale"] = np.array([stratified.scale])
                _put_thresholds(arrays, f"thresholds/{place}", self.thresholds[name])
        _put_thresholds(arrays, "error", self.error.thresholds)
        arrays |= {f"{_EVIDENCE}{name}": array for name, array in self.evidence.items()}
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
        except (KeyError, OSError, EOFError, IndexError, TypeError) as error:
            raise ValueError(f"not a reference profile: {error!r}") from error


def coded(categories: tuple[str, ...] | None, values: Values) -> Floats:
    """Return a column as codes; see `Reference.codes`."""
    if categories is None:
        return np.array([_own_code(value) for value in values], np.float64)
    places: dict[object, float] = {value: place for place, value in enumerate(categories)}
    places[None] = np.nan
    unseen = float(len(categories))
    return np.array([places.get(value, unseen) for value in values], np.float64)


def _own_code(value: str | float | None) -> float:
    """Return a number's own code; strings of a column without any in the reference are alike."""
    if value is None:
        return np.nan
    return 0.0 if isinstance(value, str) else float(value)


def reference_of(sample: Sample) -> Reference:
    """Summarise and calibrate a reference.

    Raises:
        ValueError: there are too few rows, or a column's length or a label is not as it must be.
    """
    rows = len(sample.target)
    columns: dict[str, Floats] = {**sample.numeric}
    categories = {
        name: tuple(sorted({value for value in values if isinstance(value, str)}))
        for name, values in sample.categorical.items()
        if any(isinstance(value, str) for value in values)
    }
    columns |= {
        name: coded(categories.get(name), values) for name, values in sample.categorical.items()
    }
    columns |= {PREDICTION: sample.prediction, TARGET: sample.target}
    moments = np.zeros(rows) if sample.moments is None else sample.moments
    _check(rows, columns, moments, partial=sample.partial)
    order = np.argsort(moments, kind="stable")
    ordered = {name: np.asarray(column, np.float64)[order] for name, column in columns.items()}
    strata = strata_of(moments[order]) if sample.moments is not None else np.zeros(rows, np.int64)
    numeric = {
        name: numeric_profile(column)
        for name, column in ordered.items()
        if name not in sample.categorical
    }
    stratified = {
        name: _stratified(column, strata, name in sample.categorical)
        for name, column in ordered.items()
        if np.isfinite(column).any()
    }
    return Reference(
        rows=rows,
        timed=sample.moments is not None,
        deciding=sample.deciding & stratified.keys(),
        categories=categories,
        numeric=numeric,
        categorical={
            name: categorical_profile(_known(ordered[name])) for name in sample.categorical
        },
        stratified=stratified,
        thresholds=_thresholds(rows, ordered, strata, stratified),
        error=_errors(ordered[PREDICTION] - ordered[TARGET], strata),
    )


def _errors(errors: Floats, strata: NDArray[np.int64]) -> ErrorProfile | None:
    known = np.isfinite(errors)
    return error_profile(errors[known], strata[known]) if known.sum() >= 2 else None


def _check(rows: int, columns: Mapping[str, Floats], moments: Floats, *, partial: bool) -> None:
    lengths = [name for name, column in columns.items() if len(column) != rows]
    if lengths or len(moments) != rows:
        raise ValueError(f"reference: columns of other lengths: {', '.join(lengths) or MOMENT}")
    always = {name: columns[name] for name in (PREDICTION, TARGET)}
    if partial:
        always = {name: np.where(np.isnan(column), 0.0, column) for name, column in always.items()}
    always[MOMENT] = moments
    bad = [name for name, column in always.items() if not np.isfinite(column).all()]
    if bad or rows < 2:
        raise ValueError(f"reference: {rows} rows; not finite: {', '.join(bad) or 'none'}")


def _known(column: Floats) -> NDArray[np.int64]:
    return column[np.isfinite(column)].astype(np.int64)


def _stratified(column: Floats, strata: NDArray[np.int64], categorical: bool) -> StratifiedColumn:
    known = np.isfinite(column)
    make = stratified_categorical if categorical else stratified_numeric
    return make(column[known], strata[known])


def _thresholds(
    rows: int,
    ordered: Mapping[str, Floats],
    strata: NDArray[np.int64],
    stratified: Mapping[str, StratifiedColumn],
) -> dict[str, Thresholds]:
    """Calibrate all columns on contiguous blocks of the reference."""

    def score(block: slice) -> dict[str, float]:
        scores = {}
        for name, column in stratified.items():
            values, at = ordered[name][block], strata[block]
            known = np.isfinite(values)
            if not known.any():
                scores[name] = 0.0  # a block without a value is no distance away
                continue
            own = table_of(column, values[known], at[known])
            scores[name] = column.distance(own.sum(axis=0), shares_of(at[known]), own)
        return scores

    def scale(column: StratifiedColumn) -> Scale:
        def noise(size: int, blocks: Sequence[slice]) -> Noise:
            mixtures = [shares_of(strata[block]) for block in blocks] or [shares_of(strata)]
            return column.noise(size, mixtures)

        return Scale(noise, np.inf if column.is_numeric else MAX_DISTANCE)

    scales = {name: scale(column) for name, column in stratified.items()}
    return calibrate(rows, score, scales, COLUMN_MARGIN)


def _put_thresholds(arrays: dict[str, NDArray[Any]], prefix: str, found: Thresholds) -> None:
    arrays[f"{prefix}/row_counts"] = found.row_counts
    arrays[f"{prefix}/values"] = found.values


def _reference_of(arrays: Mapping[str, NDArray[Any]]) -> Reference:
    layout = json.loads(arrays[_LAYOUT].tobytes())
    categories = {
        name: tuple(values) for name, values in layout["categorical"] if values is not None
    }

    def thresholds(prefix: str) -> Thresholds:
        return Thresholds(arrays[f"{prefix}/row_counts"], arrays[f"{prefix}/values"])

    numeric = {}
    for place, name in enumerate(layout["numeric"]):
        prefix = f"numeric/{place}/"
        std, missing = arrays[f"{prefix}other"]
        numeric[name] = NumericProfile(
            arrays[f"{prefix}values"], arrays[f"{prefix}counts"], float(std), int(missing)
        )
    categorical = {
        name: CategoricalProfile(
            arrays[f"categorical/{place}/ids"].astype(np.int64),
            arrays[f"categorical/{place}/counts"],
        )
        for place, (name, _) in enumerate(layout["categorical"])
    }
    error = ErrorProfile(arrays["error/squares"], arrays["error/counts"], thresholds("error"))
    whole = Reference(
        layout["rows"], layout["timed"], frozenset(layout["deciding"]), categories, numeric,
        categorical, {}, {}, error,
    )  # fmt: skip
    known = {
        name: f"{place}"
        for place, name in enumerate(whole.columns)
        if f"stratified/{place}/table" in arrays
    }
    stratified = {
        name: StratifiedColumn(
            arrays[f"stratified/{place}/points"],
            arrays[f"stratified/{place}/table"],
            float(arrays[f"stratified/{place}/scale"][0]),
        )
        for name, place in known.items()
    }
    found = {name: thresholds(f"thresholds/{place}") for name, place in known.items()}
    evidence = {
        name.removeprefix(_EVIDENCE): array
        for name, array in arrays.items()
        if name.startswith(_EVIDENCE)
    }
    return replace(whole, stratified=stratified, thresholds=found, evidence=evidence)
