"""Candidates: new rides alone, or old and new; the better one on rides that neither saw."""

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_domain.features import ERROR_OUTPUT
from taxi_store.registry.artifacts import Artifact
from taxi_train.artifact import builder as packing
from taxi_train.artifact.onnx_export import to_onnx
from taxi_train.artifact.onnx_model import OnnxModel
from taxi_train.data.rides import Rides, joined, mostly_newest
from taxi_train.data.split import Split
from taxi_train.fitting import estimators as models

Floats = NDArray[np.float64]

#: Most rides that a candidate is fitted on and has as its reference. Without a bound each
#: promotion of old and new rides would hand on more of them to the next.
MAX_RIDES: Final = 100_000
#: Weight of the oldest ride of the champion's reference; the newest ride has 1.
_OLDEST_WEIGHT: Final = 0.1


def train(rides: Rides, kind: str = "gradient-boosting", **card: Any) -> Artifact:
    """Fit on all rides and put the artifact together."""
    features = rides.features()
    model = models.duration_model()
    models.fit(model, features, rides.duration, None)
    predicted = models.out_of_fold(features, rides.duration, None)
    return packing.artifact(
        kind, to_onnx(model, features), rides, predicted, card,
        _error_graph(features, predicted - rides.duration),
    )  # fmt: skip


def train_fallback(rides: Rides) -> Artifact:
    """Fit the fallback and put its artifact together."""
    features = rides.features()
    model = models.fallback_model()
    models.fit(model, features, rides.duration, None)
    graph = to_onnx(model, features)
    # A median over thousands of rides: its answers for seen and unseen rides are alike.
    predicted = OnnxModel(graph).predict(features)
    return packing.artifact("fallback-distance-median", graph, rides, predicted)


def make_candidate(
    old: Rides, parts: Split, most_rides: int = MAX_RIDES, **card: Any
) -> tuple[Artifact, dict[str, float]]:
    """Try both ways, choose on the slice, and fit the winner on all but the gate's rides.

    Args:
        old: The champion's reference rides.
        parts: The new rides.
        most_rides: Old ones give way until both are so few.
        card: More entries for the artifact's card.

    Returns:
        The candidate and the RMSE of both ways on the choosing slice, minutes.
    """
    features, target = parts.choose.features(), parts.choose.duration
    scores = {}
    for name in ("new", "old_and_new"):
        rides, weights = _training(name, old, parts.fit, most_rides)
        model = models.duration_model()
        models.fit(model, rides.features(), rides.duration, weights)
        scores[name] = float(np.sqrt(np.mean((model.predict(features) - target) ** 2)))
    winner = min(scores, key=lambda name: scores[name])
    rides, weights = _training(winner, old, joined(parts.fit, parts.choose), most_rides)
    inputs = rides.features()
    model = models.duration_model()
    models.fit(model, inputs, rides.duration, weights)
    predicted = models.out_of_fold(inputs, rides.duration, weights)
    made = packing.artifact(
        f"gradient-boosting-{winner.replace('_', '-')}", to_onnx(model, inputs), rides, predicted,
        {**card, "chosen": {name: round(score, 6) for name, score in scores.items()}},
        _error_graph(inputs, predicted - rides.duration),
    )  # fmt: skip
    return made, {f"choose_{name}_rmse": score for name, score in scores.items()}


def _error_graph(features: pd.DataFrame, errors: Floats) -> bytes:
    model = models.error_model()
    models.fit(model, features, np.abs(errors), None)
    return to_onnx(model, features, ERROR_OUTPUT)


def _training(name: str, old: Rides, new: Rides, most_rides: int) -> tuple[Rides, Floats | None]:
    if name == "new":
        return new, None
    old = mostly_newest(old, max(most_rides - len(new), 0))
    falling = np.linspace(_OLDEST_WEIGHT, 1.0, len(old)) if len(old) else np.empty(0)
    return joined(old, new), np.concatenate([falling * 0.5, np.ones(len(new))])
