"""Which rows a candidate keeps, which estimator it is, and by which model its errors are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from support.labelled import labelled, orders

from taxi_domain.errors import TaxiError
from taxi_domain.models import PROFILE_FILE, REFERENCE_FILE
from taxi_profiles.evidence.calibration import calibration_of
from taxi_profiles.reference import Reference
from taxi_schema.reading import schema_of
from taxi_store.registry.artifacts import artifact_of
from taxi_train.artifact.builder import (
    ReferenceRowsError,
    after_champion,
    artifact,
    reference_rows,
)
from taxi_train.artifact.onnx_model import schema_of as schema_of_artifact
from taxi_train.data.rows import features_of, mostly_newest
from taxi_train.data.split import split
from taxi_train.fitting import estimators
from taxi_train.fitting.candidates import Trainer
from taxi_train.fitting.own_code import candidates_of

SCHEMA = orders()
NUMBERS = schema_of({
    "target": {"name": "y"}, "columns": [{"name": "x", "kind": "number", "minimum": 0}],
})  # fmt: skip


def test_few_rows_are_kept_whole() -> None:
    some = labelled(SCHEMA, 500)

    assert mostly_newest(some, 500) is some


@pytest.mark.parametrize("most", [0, 1, 10, 999])
def test_many_rows_are_mostly_the_newest_in_their_order(most: int) -> None:
    kept = mostly_newest(labelled(SCHEMA, 1000), most)

    assert len(kept) == most
    assert (np.diff(kept.answered) > 0).all()
    newest = int(most * 0.9)
    assert kept.answered[most - newest :].tolist() == [
        (1000 - newest + number) * 300.0 for number in range(newest)
    ]
    if most == 10:
        assert kept.answered[0] == 0, "some are of all the time before"


def test_out_of_fold_errors_are_of_the_weighted_model() -> None:
    some = labelled(SCHEMA, 600)
    odd = np.arange(600) % 3 == 0
    target = np.where(odd, 200.0, some.target)
    features, model = features_of(SCHEMA, some), estimators.regression_model(SCHEMA)

    plain = estimators.out_of_fold(model, features, target, None)
    weighted = estimators.out_of_fold(model, features, target, np.where(odd, 1e-6, 1.0))

    assert np.abs(weighted[~odd] - target[~odd]).mean() < 10
    assert np.abs(plain[~odd] - target[~odd]).mean() > 20


def test_context_is_measured_and_what_is_ignored_is_not() -> None:
    made = Trainer(SCHEMA).train(labelled(SCHEMA, 1500))

    reference = Reference.from_bytes(made.files[PROFILE_FILE])

    assert set(reference.columns) == {
        "weight", "age", "shop", "area", "gift", "app", "prediction", "target",
    }  # fmt: skip
    assert reference.deciding == {"weight", "age", "shop", "area", "gift"}
    assert reference.timed
    assert schema_of_artifact(made) == SCHEMA
    assert made.card["unit"] == "euros"
    kept = reference_rows(SCHEMA, made)
    assert len(kept) == made.card["metrics"]["rows"] == 1500
    assert np.isfinite(kept.prediction).all()
    assert made.card["metrics"]["slices"].keys() == {
        "weight=below-10", "weight=10-100", "weight=from-100",
    }  # fmt: skip


def test_a_short_candidate_borrows_from_the_champion() -> None:
    champion, short, old = (
        artifact(SCHEMA, "x", b"graph", rows.predicted(rows.target + 1))
        for rows in (labelled(SCHEMA, 3200), labelled(SCHEMA, 1500), labelled(SCHEMA, 3100))
    )

    made = after_champion(SCHEMA, short, champion)

    calibration = calibration_of(Reference.from_bytes(made.files[PROFILE_FILE]))
    assert calibration.borrowed == 32
    assert calibration.block_rows == 100
    assert calibration.blocks == 32 + 15
    assert made.files[REFERENCE_FILE] == short.files[REFERENCE_FILE]
    assert made.version != short.version
    without = Reference.from_bytes(old.files[PROFILE_FILE])
    before = artifact_of({
        **old.files, PROFILE_FILE: replace(without, evidence={}).to_bytes(),
    })  # fmt: skip
    assert after_champion(SCHEMA, short, before) is short


def test_the_same_rows_give_the_same_artifact() -> None:
    rows = labelled(SCHEMA, 300)

    assert Trainer(SCHEMA).train(rows).digest == Trainer(SCHEMA).train(rows).digest


def test_rows_without_event_times_are_no_reference() -> None:
    rows = labelled(SCHEMA, 300)
    rows.event_times[1:] = np.datetime64("NaT", "us")

    with pytest.raises(ReferenceRowsError, match="1 rows with placed"):
        artifact(SCHEMA, "kind", b"", rows.predicted(rows.target))


def test_the_best_of_several_estimators_becomes_the_candidate() -> None:
    rows = labelled(NUMBERS, 3000)
    trainer = Trainer(NUMBERS, lambda _: {"mean": DummyRegressor(), "linear": LinearRegression()})

    first = trainer.train(rows)
    candidate, scores = trainer.make_candidate(rows[:500], split(rows[500:], 500))

    assert first.card["kind"] == "linear"
    assert candidate.card["kind"].startswith("linear-")
    assert scores.keys() == {
        f"choose_{kind}_{way}_rmse" for kind in ("mean", "linear") for way in ("new", "old_and_new")
    }


def test_training_code_of_ones_own_is_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_models.py").write_text(
        "from sklearn.linear_model import LinearRegression\n"
        "def candidates(schema):\n    return {'mine': LinearRegression()}\n"
    )
    (tmp_path / "no_models.py").write_text("candidates = lambda schema: []\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert Trainer(NUMBERS, candidates_of("my_models")).train(
        labelled(NUMBERS, 300)
    ).card["kind"] == "mine"  # fmt: skip
    with pytest.raises(TaxiError, match="absent_models cannot be imported"):
        candidates_of("absent_models")
    with pytest.raises(TaxiError, match="gives list; return a mapping"):
        candidates_of("no_models")(NUMBERS)
