"""The default pipeline answers the same as scikit-learn and as ONNX, for any schema."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.labelled import labelled, orders
from support.schemas import schemas

from taxi_schema.column import MISSING_INTEGER
from taxi_schema.reading import schema_of
from taxi_schema.schema import Schema
from taxi_train.artifact.onnx_model import OnnxModel, check_limits, clipped
from taxi_train.data.rows import features_of
from taxi_train.fitting import estimators
from taxi_train.fitting.candidates import Trainer
from taxi_train.fitting.onnx_export import ConversionError, to_onnx

#: A failing fit is not made smaller: each try takes a second.
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)
NUMBERS = schema_of({
    "target": {"name": "y"},
    "columns": [{"name": "x", "kind": "number"}, {"name": "z", "kind": "number"}],
})  # fmt: skip


def small(model: estimators.DefaultPipeline) -> estimators.DefaultPipeline:
    """Return the pipeline with fewer trees: the same nodes, a fraction of the time."""
    model.set_params(trees__max_iter=8, trees__min_samples_leaf=5)
    return model


@settings(max_examples=12, deadline=None, phases=QUICK)
@given(schemas(), st.integers(1, 1000))
def test_onnx_answers_like_scikit_learn_for_any_schema(schema: Schema, seed: int) -> None:
    rows = labelled(schema, 300, seed)
    features = features_of(schema, rows)
    model = small(estimators.regression_model(schema))
    estimators.fit(model, features, rows.target, None)

    graph = OnnxModel(schema, to_onnx(schema, model, features))

    expected = clipped(schema, model.predict(features))
    spread = max(float(np.std(expected)), 1e-6)
    assert graph.predict(features) == pytest.approx(expected, rel=1e-5, abs=1e-4 * spread)


@settings(max_examples=5, deadline=None, phases=QUICK)
@given(schemas(), st.integers(1, 1000))
def test_the_artifacts_of_any_schema_answer_at_its_limits(schema: Schema, seed: int) -> None:
    rows = labelled(schema, 250, seed)
    trainer = Trainer(schema, lambda schema: {"small": small(estimators.regression_model(schema))})

    for artifact in (trainer.train(rows), trainer.train_fallback(rows)):
        check_limits(artifact.files)
        assert artifact.card["schema_sha256"] == schema.digest
        buckets = artifact.card["prediction_buckets"]
        assert 8 <= len(buckets) <= 14
        assert buckets == sorted(set(buckets))
        assert np.isfinite(buckets).all()


@pytest.mark.parametrize("where", ["high", "low"])
def test_missing_numbers_go_the_way_that_was_learnt(where: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.random(2000)
    missing = rng.random(2000) < 0.3
    target = np.where(missing, 50.0 if where == "high" else -50.0, x * 10)
    features = pd.DataFrame({"x": np.where(missing, np.nan, x), "z": rng.random(2000)})
    model = estimators.regression_model(NUMBERS)
    estimators.fit(model, features, target, None)

    graph = OnnxModel(NUMBERS, to_onnx(NUMBERS, model, features))

    answers = graph.predict(features)
    assert answers == pytest.approx(model.predict(features), abs=1e-3)
    assert answers[missing] == pytest.approx(target[missing], abs=1)


def test_a_number_that_is_never_there_is_fitted_around() -> None:
    rng = np.random.default_rng(3)
    x = rng.random(800)
    features = pd.DataFrame({"x": x, "z": np.full(800, np.nan)})
    model = estimators.regression_model(NUMBERS)
    estimators.fit(model, features, x * 10, None)

    graph = OnnxModel(NUMBERS, to_onnx(NUMBERS, model, features))

    later = features.assign(z=5.0)
    assert graph.predict(later) == pytest.approx(graph.predict(features))
    assert graph.predict(features) == pytest.approx(model.predict(features), abs=1e-3)


def test_a_missing_category_that_was_seen_is_a_category() -> None:
    schema = orders()
    rows = labelled(schema, 2000)
    features = features_of(schema, rows)
    model = estimators.regression_model(schema)
    estimators.fit(model, features, rows.target, None)
    graph = OnnxModel(schema, to_onnx(schema, model, features))

    unknown = features.assign(area=12345, shop="nobody", shop_area="nobody\x1f1")
    absent = features.assign(area=MISSING_INTEGER, shop_area="")

    for asked in (unknown, absent):
        assert graph.predict(asked) == pytest.approx(
            clipped(schema, model.predict(asked)), abs=1e-3
        )
    assert not np.allclose(graph.predict(unknown), graph.predict(absent))


def test_thresholds_between_neighbouring_floats_are_kept() -> None:
    steps = np.arange(60, dtype=np.float32)
    x = np.nextafter(np.float32(1) + steps, np.float32(2) + steps, dtype=np.float32)
    pairs = np.sort(np.concatenate([x, np.float32(1) + steps])).astype(np.float64)
    x = np.tile(pairs, 20)
    features = pd.DataFrame({"x": x, "z": np.zeros(len(x))})
    target = np.tile(np.arange(len(pairs)) % 2 * 100.0, 20)
    model = estimators.regression_model(NUMBERS)
    estimators.fit(model, features, target, None)

    answers = OnnxModel(NUMBERS, to_onnx(NUMBERS, model, features)).predict(features)

    assert answers == pytest.approx(model.predict(features), abs=1e-3)


def test_without_a_monotonic_number_the_fallback_is_the_median() -> None:
    schema = orders(fallback={})
    rows = labelled(schema, 501)

    fallback = Trainer(schema).train_fallback(rows)

    graph = OnnxModel(schema, fallback.files["model.onnx"])
    answers = graph.predict(features_of(schema, rows))
    assert answers == pytest.approx(np.full(501, np.median(rows.target)), rel=1e-6)
    assert fallback.card["kind"] == "fallback-median"


def test_the_fallback_rises_with_its_number() -> None:
    schema = orders()
    rows = labelled(schema, 3000)
    fallback = Trainer(schema).train_fallback(rows)
    features = features_of(schema, rows).sort_values("weight")

    answers = OnnxModel(schema, fallback.files["model.onnx"]).predict(features)

    assert (np.diff(answers) >= -1e-6).all()
    assert np.ptp(answers) > 1


def test_estimators_of_ones_own_are_converted_or_convert_themselves() -> None:
    rows = labelled(NUMBERS, 400)
    own = Trainer(
        NUMBERS, lambda _: {"linear": make_pipeline(StandardScaler(), LinearRegression())}
    )

    artifact = own.train(rows)

    assert artifact.card["kind"] == "linear"
    check_limits(artifact.files)


def test_an_estimator_that_cannot_be_converted_says_what_to_do() -> None:
    class Odd(LinearRegression):  # type: ignore[misc]  # scikit-learn has no types
        def predict(self, features: pd.DataFrame) -> np.ndarray:
            return np.asarray(super().predict(features))

    rows = labelled(NUMBERS, 400)

    with pytest.raises(ConversionError, match="to_onnx"):
        Trainer(NUMBERS, lambda _: {"odd": Odd()}).train(rows)
