"""The regression model and the robust fallback, as scikit-learn pipelines."""

import itertools
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skl2onnx.sklapi import CastTransformer
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder

from taxi_domain.features import CATEGORICAL_FEATURES, DISTANCE, NUMERIC_FEATURES
from taxi_train.seed import SEED

Floats = NDArray[np.float64]

_FOLDS: Final = 4


def duration_model() -> Pipeline:
    """Return the unfitted model: target-encoded zones and pairs, distance, hour, weekday."""
    folds = KFold(n_splits=5, shuffle=True, random_state=SEED)
    encoder = TargetEncoder(target_type="continuous", cv=folds)
    trees = HistGradientBoostingRegressor(max_iter=200, learning_rate=0.08, random_state=SEED)
    columns = ColumnTransformer(
        [
            ("zones", encoder, list(CATEGORICAL_FEATURES)),
            ("numbers", "passthrough", list(NUMERIC_FEATURES)),
        ]
    )
    return Pipeline([("columns", columns), ("float32", CastTransformer()), ("trees", trees)])


def error_model() -> Pipeline:
    """Return the unfitted model of the absolute error: what a ride's error will be, on average.

    Fitted on out-of-fold errors, its mean over a window estimates the MAE before labels arrive
    (direct loss estimation). It knows what rides are hard; it is blind when the same rides take
    longer than before.
    """
    model = duration_model()
    model.named_steps["trees"].set_params(max_iter=60, min_samples_leaf=100)
    return model


def fallback_model() -> Pipeline:
    """Return the unfitted fallback: the median duration as a rising function of distance.

    It looks at the distance alone, so a strange zone, pair or hour cannot mislead it, and
    medians and leaves of 200 rides keep odd rides from bending it.
    """
    steps = HistGradientBoostingRegressor(
        loss="absolute_error", monotonic_cst=[1], max_iter=60, learning_rate=0.15,
        min_samples_leaf=200, max_leaf_nodes=8, random_state=SEED,
    )  # fmt: skip
    columns = ColumnTransformer([("numbers", "passthrough", [DISTANCE])])
    return Pipeline([("columns", columns), ("float32", CastTransformer()), ("trees", steps)])


def fit(model: Pipeline, features: pd.DataFrame, target: Floats, weights: Floats | None) -> None:
    """Fit in place; weights (shape (n,)) go to the trees."""
    extra = {} if weights is None else {"trees__sample_weight": weights}
    model.fit(features, target, **extra)
    _round_thresholds_down(model.named_steps["trees"])


def _round_thresholds_down(trees: HistGradientBoostingRegressor) -> None:
    """Make every threshold the largest float32 that is not above it.

    ONNX compares in float32. The trees see float32 values only, so no decision changes; but
    a threshold that is rounded up could swallow the value next to it.
    """
    for stage in trees._predictors:
        for tree in stage:
            exact = tree.nodes["num_threshold"]
            rounded = exact.astype(np.float32)
            above = rounded.astype(np.float64) > exact
            rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
            tree.nodes["num_threshold"] = rounded.astype(np.float64)


def out_of_fold(features: pd.DataFrame, target: Floats, weights: Floats | None) -> Floats:
    """Predict each ride by a model that was fitted on the other quarters of the time.

    Args:
        features: Of n rides in the order of time.
        target: Minutes, shape (n,).
        weights: Those of the model whose errors these stand for, shape (n,).

    Returns:
        Minutes, shape (n,): what the model answers for rides that it has not seen.
    """
    predicted = np.empty(len(target))
    bounds = np.linspace(0, len(target), _FOLDS + 1).astype(int)
    for start, end in itertools.pairwise(bounds):
        others = np.ones(len(target), dtype=bool)
        others[start:end] = False
        model = duration_model()
        fit(
            model, features[others], target[others], weights if weights is None else weights[others]
        )
        predicted[start:end] = model.predict(features[start:end])
    return predicted
