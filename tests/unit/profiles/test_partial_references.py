"""References of rows without predictions or labels: what is absent is not measured."""

from dataclasses import replace

import numpy as np
import pytest

from taxi_profiles.reference import PREDICTION, TARGET, Reference, Sample, reference_of


def sample(rows: int = 2000) -> Sample:
    draw = np.random.default_rng(1)
    target = draw.normal(0, 1, rows)
    return Sample(
        numeric={"x": draw.lognormal(0, 1, rows)},
        categorical={"c": draw.integers(0, 5, rows).astype(float)},
        prediction=target + draw.normal(0, 0.3, rows),
        target=target,
        moments=np.arange(rows, dtype=np.float64) * 600,
        deciding=frozenset("xc"),
    )


def test_complete_rows_give_the_same_reference() -> None:
    complete = sample()

    partial = reference_of(replace(complete, partial=True))

    assert partial.to_bytes() == reference_of(complete).to_bytes()


@pytest.mark.parametrize("name", [PREDICTION, TARGET])
def test_what_is_missing_is_an_error_for_a_model(name: str) -> None:
    complete = sample()
    values = getattr(complete, name).copy()
    values[3] = np.nan

    with pytest.raises(ValueError, match=f"not finite: {name}"):
        reference_of(replace(complete, **{name: values}))
    values[3] = np.inf
    with pytest.raises(ValueError, match=f"not finite: {name}"):
        reference_of(replace(complete, **{name: values, "partial": True}))


def test_what_is_absent_is_not_measured_and_the_inputs_are_as_before() -> None:
    complete = sample()
    whole = reference_of(complete)
    nothing = np.full(len(complete.target), np.nan)

    found = reference_of(replace(complete, prediction=nothing, target=nothing, partial=True))

    assert found.error is None
    assert not {PREDICTION, TARGET} & found.stratified.keys()
    assert not {PREDICTION, TARGET} & found.thresholds.keys()
    assert found.numeric[PREDICTION].rows == 0
    for name in ("x", "c"):
        assert np.array_equal(found.thresholds[name].values, whole.thresholds[name].values)
        assert np.array_equal(found.stratified[name].table, whole.stratified[name].table)
    with pytest.raises(ValueError, match="has no errors"):
        found.to_bytes()


def test_some_labels_are_the_errors_of_these_rows() -> None:
    complete = sample()
    labels = complete.target.copy()
    labels[::2] = np.nan

    found = reference_of(replace(complete, target=labels, partial=True))

    assert found.error is not None
    errors = (complete.prediction - labels)[1::2]
    assert found.error.rmse == pytest.approx(float(np.sqrt(np.mean(errors**2))))
    assert found.numeric[TARGET].missing == 1000


def test_what_training_keeps_comes_back() -> None:
    reference = reference_of(sample())

    back = Reference.from_bytes(reference.to_bytes())

    assert back.error is not None
    assert reference.error is not None
    assert back.error.rmse == reference.error.rmse
