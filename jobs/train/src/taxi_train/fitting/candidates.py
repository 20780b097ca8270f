"""Candidates: new rows alone, or old and new; the best one on rows that none of them saw."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taxi_domain.figures import rounded
from taxi_schema.columns.rows import LabelledRows, joined
from taxi_schema.schema import Schema
from taxi_store.registry.artifacts import Artifact
from taxi_train.artifact.builder import artifact
from taxi_train.artifact.onnx_model import OnnxModel, clipped
from taxi_train.data.rows import features_of, mostly_newest
from taxi_train.data.split import Split
from taxi_train.fitting import estimators
from taxi_train.fitting.estimators import Candidates, Estimator, default_candidates
from taxi_train.fitting.onnx_export import to_onnx

Floats = NDArray[np.float64]

#: Most rows that a candidate is fitted on and has as its reference. Without a bound each
#: promotion of old and new rows would hand on more of them to the next.
MAX_ROWS: Final = 100_000
#: Weight of the oldest row of the champion's reference; the newest row has 1.
_OLDEST_WEIGHT: Final = 0.1
#: Share of the rows, the newest, on which a first model is chosen when there are several.
_CHOOSE_SHARE: Final = 0.2
_WAYS: Final = ("new", "old_and_new")


@dataclass(frozen=True, slots=True)
class Choice:
    """The way that was best on the choosing slice.

    Attributes:
        kind: Estimator and way, for the card.
        estimator: To be fitted on `rows`.
        rows: All that the candidate may be fitted on.
        weights: Of these, shape (n,); None where all have the same.
        scores: RMSE of each way on the choosing slice, in the target's unit.
    """

    kind: str
    estimator: Estimator
    rows: LabelledRows
    weights: Floats | None
    scores: dict[str, float]


@dataclass(frozen=True, slots=True)
class Trainer:
    """How models of a schema are made.

    Attributes:
        schema: Of the model and its rows.
        candidates: Makes the estimators that are tried.
        max_rows: Old rows give way until a candidate has so few.
    """

    schema: Schema
    candidates: Candidates = default_candidates
    max_rows: int = MAX_ROWS

    def train(self, rows: LabelledRows) -> Artifact:
        """Fit on all rows and put the artifact together."""
        kind, estimator = self._first_choice(rows)
        return self._made(kind, estimator, rows, None, {})

    def train_fallback(self, rows: LabelledRows) -> Artifact:
        """Fit the fallback and put its artifact together."""
        features = features_of(self.schema, rows)
        model = estimators.fallback_model(self.schema)
        estimators.fit(model, features, rows.target, None)
        graph = to_onnx(self.schema, model, features)
        # A median over thousands of rows: its answers for seen and unseen rows are alike.
        answers = OnnxModel(self.schema, graph).predict(features)
        name = self.schema.fallback.monotonic
        kind = "fallback-median" if name is None else "fallback-monotonic-median"
        return artifact(self.schema, kind, graph, rows.predicted(answers))

    def make_candidate(
        self, old: LabelledRows, parts: Split, **card: Any
    ) -> tuple[Artifact, dict[str, float]]:
        """Try all ways, choose on the slice, and fit the winner on all but the gate's rows.

        Args:
            old: The champion's reference rows, within the schema's limits.
            parts: The new rows.
            card: More entries for the artifact's card.

        Returns:
            The candidate and the RMSE of each way on the choosing slice, in the target's unit.
        """
        choice = self.choose(old, parts)
        scores = {name: rounded(score) for name, score in choice.scores.items()}
        candidate = self._made(
            choice.kind, choice.estimator, choice.rows, choice.weights, {**card, "chosen": scores}
        )
        return candidate, {f"choose_{name}_rmse": score for name, score in choice.scores.items()}

    def choose(self, old: LabelledRows, parts: Split) -> "Choice":
        """Try all ways and choose on the slice.

        Args:
            old: The champion's reference rows, within the schema's limits.
            parts: The new rows.
        """
        features, target = features_of(self.schema, parts.choose), parts.choose.target
        tried: dict[tuple[str, str], float] = {}
        made = dict(self.candidates(self.schema))
        for kind, way in self._ways(made):
            rows, weights = self._training(way, old, parts.fit)
            estimators.fit(made[kind], features_of(self.schema, rows), rows.target, weights)
            tried[kind, way] = _rmse(made[kind].predict(features), target)
        kind, way = min(tried, key=lambda key: tried[key])
        rows, weights = self._training(way, old, joined([parts.fit, parts.choose]))
        scores = {_score(kind, way, made): score for (kind, way), score in tried.items()}
        return Choice(f"{kind}-{way.replace('_', '-')}", made[kind], rows, weights, scores)

    def _first_choice(self, rows: LabelledRows) -> tuple[str, Estimator]:
        made = dict(self.candidates(self.schema))
        if len(made) == 1:
            return next(iter(made.items()))
        cut = int(len(rows) * (1 - _CHOOSE_SHARE))
        fit, choose = rows[:cut], rows[cut:]
        scores = {}
        for kind, estimator in made.items():
            estimators.fit(estimator, features_of(self.schema, fit), fit.target, None)
            scores[kind] = _rmse(estimator.predict(features_of(self.schema, choose)), choose.target)
        kind = min(scores, key=lambda name: scores[name])
        return kind, made[kind]

    def _made(
        self,
        kind: str,
        estimator: Estimator,
        rows: LabelledRows,
        weights: Floats | None,
        card: dict[str, Any],
    ) -> Artifact:
        features = features_of(self.schema, rows)
        estimators.fit(estimator, features, rows.target, weights)
        graph = to_onnx(self.schema, estimator, features)
        predicted = estimators.out_of_fold(estimator, features, rows.target, weights)
        answers = clipped(self.schema, predicted)
        return artifact(self.schema, kind, graph, rows.predicted(answers), card)

    @staticmethod
    def _ways(made: dict[str, Estimator]) -> Iterable[tuple[str, str]]:
        return ((kind, way) for kind in made for way in _WAYS)

    def _training(
        self, way: str, old: LabelledRows, new: LabelledRows
    ) -> tuple[LabelledRows, Floats | None]:
        if way == "new":
            return new, None
        old = mostly_newest(old, max(self.max_rows - len(new), 0))
        falling = np.linspace(_OLDEST_WEIGHT, 1.0, len(old)) if len(old) else np.empty(0)
        return joined([old, new]), np.concatenate([falling * 0.5, np.ones(len(new))])


def _score(kind: str, way: str, made: dict[str, Estimator]) -> str:
    """Return the name of a way's score: with one estimator, that of the rows alone."""
    return way if len(made) == 1 else f"{kind}_{way}".replace(".", "_").replace("$", "_")


def _rmse(answers: Floats, target: Floats) -> float:
    return float(np.sqrt(np.mean((np.asarray(answers).reshape(-1) - target) ** 2)))
