"""The default regression model and the robust fallback, as scikit-learn pipelines."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skl2onnx.sklapi import CastTransformer
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder
from sklearn.utils.validation import has_fit_parameter

from taxi_schema.column import FeatureType, Kind
from taxi_schema.derived import Cross
from taxi_schema.schema import Schema
from taxi_train.seed import SEED

Floats = NDArray[np.float64]

DEFAULT: Final = "gradient-boosting"
_FOLDS: Final = 4
#: Names of the steps of the default pipelines.
COLUMNS: Final = "columns"
TREES: Final = "trees"


class Estimator(Protocol):
    """A regressor in scikit-learn's sense that `sklearn.base.clone` can copy.

    It may have ``to_onnx(features) -> bytes``; else it is converted by skl2onnx.
    """

    def fit(self, features: pd.DataFrame, target: Floats, **fit_params: Any) -> object:
        """Fit in place."""

    def predict(self, features: pd.DataFrame) -> Floats:
        """Return answers, shape (n,)."""


#: Makes the unfitted estimators that a run tries, by the kind that their artifacts get.
Candidates = Callable[[Schema], Mapping[str, Estimator]]


class _Float32(CastTransformer):  # type: ignore[misc]  # skl2onnx has no types
    """Casts as a graph does; fits trees although a number is never there.

    Trees cannot be binned on a column without a value. As a constant no tree looks at it, so
    what it has later changes no answer.
    """

    def fit_transform(self, rows: Floats, target: Floats | None = None, **params: Any) -> Any:
        """Return the rows to fit on, zero in columns without any value."""
        cast = np.array(super().fit_transform(rows, target, **params))
        cast[:, np.isnan(cast).all(axis=0)] = 0
        return cast


class DefaultPipeline(Pipeline):  # type: ignore[misc]  # scikit-learn has no types
    """A pipeline of this module, whose columns are encoded or passed on as they are."""


def default_candidates(schema: Schema) -> Mapping[str, Estimator]:
    """Return what a run tries where no training code of one's own is named."""
    return {DEFAULT: regression_model(schema)}


def regression_model(schema: Schema) -> DefaultPipeline:
    """Return the unfitted default model: target-encoded categories, then numbers, boosted."""
    categories = category_features(schema)
    numbers = [feature.name for feature in schema.features if feature.name not in categories]
    folds = KFold(n_splits=5, shuffle=True, random_state=SEED)
    encoder = TargetEncoder(target_type="continuous", cv=folds)
    parts = [("categories", encoder, categories), ("numbers", "passthrough", numbers)]
    trees = HistGradientBoostingRegressor(max_iter=200, learning_rate=0.08, random_state=SEED)
    return _pipeline([part for part in parts if part[2]], trees)


def category_features(schema: Schema) -> list[str]:
    """Return the names of features whose values are no amounts."""
    names = [column.name for column in schema.inputs if column.kind is not Kind.NUMBER]
    return names + [derived.name for derived in schema.derived if isinstance(derived, Cross)]


def fallback_model(schema: Schema) -> DefaultPipeline | DummyRegressor:
    """Return the unfitted fallback: the median label, rising with one number if there is one.

    It looks at that number alone, so an unknown category or a wrong time cannot mislead it, and
    medians and leaves of 200 rows keep odd rows from bending it.
    """
    name = schema.fallback.monotonic
    if name is None:
        return DummyRegressor(strategy="median")
    trees = HistGradientBoostingRegressor(
        loss="absolute_error", monotonic_cst=[1], max_iter=60, learning_rate=0.15,
        min_samples_leaf=200, max_leaf_nodes=8, random_state=SEED,
    )  # fmt: skip
    return _pipeline([("numbers", "passthrough", [name])], trees)


def _pipeline(
    parts: list[tuple[str, Any, list[str]]], trees: HistGradientBoostingRegressor
) -> DefaultPipeline:
    columns = ColumnTransformer(parts)
    return DefaultPipeline([(COLUMNS, columns), ("float32", _Float32()), (TREES, trees)])


def fit(model: Any, features: pd.DataFrame, target: Floats, weights: Floats | None) -> None:
    """Fit in place; weights (shape (n,)) go to the last step, if it can take them."""
    last, prefix = model, ""
    if isinstance(model, Pipeline):
        prefix, last = f"{model.steps[-1][0]}__", model.steps[-1][1]
    weighted = weights is not None and has_fit_parameter(last, "sample_weight")
    model.fit(features, target, **({f"{prefix}sample_weight": weights} if weighted else {}))
    if isinstance(last, HistGradientBoostingRegressor):
        _round_thresholds_down(last)


def _round_thresholds_down(trees: HistGradientBoostingRegressor) -> None:
    """Make every threshold the largest float32 that is not above it.

    ONNX compares in float32. The trees see float32 values only, so no decision changes; but
    a threshold that is rounded up could swallow the value next to it.
    """
    for stage in trees._predictors:
        for tree in stage:
            exact = tree.nodes["num_threshold"]
            with np.errstate(over="ignore"):
                rounded = exact.astype(np.float32)
            above = rounded.astype(np.float64) > exact
            rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
            tree.nodes["num_threshold"] = rounded.astype(np.float64)


def out_of_fold(
    model: Any, features: pd.DataFrame, target: Floats, weights: Floats | None
) -> Floats:
    """Predict each row by a model that was fitted on the other quarters of the time.

    Args:
        model: Unfitted or fitted; copies of it are fitted.
        features: Of n rows in the order of time.
        target: In its unit, shape (n,).
        weights: Those of the model whose errors these stand for, shape (n,).

    Returns:
        Shape (n,): what the model answers for rows that it has not seen.
    """
    predicted = np.empty(len(target))
    bounds = np.linspace(0, len(target), _FOLDS + 1).astype(int)
    for start, end in itertools.pairwise(bounds):
        others = np.ones(len(target), dtype=bool)
        others[start:end] = False
        copy = clone(model)
        fit(copy, features[others], target[others], weights if weights is None else weights[others])
        predicted[start:end] = copy.predict(features[start:end])
    return predicted


def feature_types(schema: Schema) -> dict[str, FeatureType]:
    """Return the type of each feature by name."""
    return {feature.name: feature.type for feature in schema.features}
