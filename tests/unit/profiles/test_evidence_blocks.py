"""Blocks of rows: counts that merge, scores, and columns that cannot be scored."""

from typing import Any

import numpy as np
import pytest
from support.evidence_rows import calibrated, columns, part, reference_like, sample_of

from taxi_profiles.evidence.calibrate import calibrate
from taxi_profiles.evidence.calibration import Calibration
from taxi_profiles.evidence.detector import Detector
from taxi_profiles.evidence.gain import HISTORY
from taxi_profiles.evidence.scoring import (
    Refused,
    count_rows,
    score_counts,
    score_labels,
    score_rows,
)
from taxi_profiles.evidence.streams import Side
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Sample

ROWS = 20_000
B = 500


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrated(columns(ROWS, 1))


@pytest.fixture(scope="module")
def live() -> dict[str, Any]:
    return columns(8000, 2, first=ROWS)


def test_counts_of_parts_add_up_to_those_of_the_whole(
    calibration: Calibration, live: dict[str, Any]
) -> None:
    whole = count_rows(calibration, part(live, 0, B), refused=Refused(3, {"zone": 3}))
    parts = count_rows(calibration, part(live, 0, 137), refused=Refused(2, {"zone": 2}))
    parts += count_rows(calibration, part(live, 137, B), refused=Refused(1, {"zone": 1}))
    one, other = score_counts(calibration, whole), score_counts(calibration, parts)
    assert one.scores.keys() == other.scores.keys()
    for name, score in one.scores.items():
        assert other.scores[name] == pytest.approx(score, abs=1e-12), name
    assert one.cells == other.cells


def test_scores_do_not_depend_on_the_order_of_rows(
    calibration: Calibration, live: dict[str, Any]
) -> None:
    order = np.random.default_rng(1).permutation(B)
    some = part(live, 0, B)
    mixed = {name: column[order] for name, column in some.items()}
    one, other = score_rows(calibration, some).scores, score_rows(calibration, mixed).scores
    assert one == pytest.approx(other, abs=1e-12)


def test_the_cell_names_the_value_that_came_more_often(
    calibration: Calibration, live: dict[str, Any]
) -> None:
    some = part(live, 0, B)
    some["zone"] = some["zone"].copy()
    some["zone"][:40] = 29.0
    scores = score_rows(calibration, some)
    assert scores.cells["cell:zone"] == (29.0, 29.0)
    assert scores.scores["cell:zone"] > max(calibration.scores["cell:zone"])


@pytest.mark.parametrize(
    ("change", "stream", "at_least"),
    [
        ({"distance": np.nan}, "nulls:distance", 1.0),
        ({"zone": 77.0}, "unseen:zone", 1.0),
        ({MOMENT: np.nan}, "untimed", 1.0),
    ],
)
def test_faults_are_shares_of_the_rows(
    calibration: Calibration, live: dict[str, Any], change: dict[str, float], stream: str,
    at_least: float,
) -> None:  # fmt: skip
    some = part(live, 0, B) | {name: np.full(B, value) for name, value in change.items()}
    assert score_rows(calibration, some).scores[stream] == pytest.approx(at_least)


def test_refused_requests_are_a_share_of_all(
    calibration: Calibration, live: dict[str, Any]
) -> None:
    scores = score_rows(
        calibration, part(live, 0, B), refused=Refused(500, {"zone": 125, "odd": 375})
    ).scores
    assert scores["refused"] == pytest.approx(0.5)
    assert scores["refused:zone"] == pytest.approx(0.2)
    assert "refused:odd" not in scores


def test_one_broken_column_is_a_reason_and_no_lost_block(
    calibration: Calibration, live: dict[str, Any]
) -> None:
    some = part(live, 0, B)
    del some["zone"]
    some["distance"] = np.full(B, np.nan)
    scores = score_rows(calibration, some)
    assert scores.problems["column:zone"] == "the block has no such column"
    assert scores.problems["column:distance"] == "no row of the block has a value"
    assert "prediction_rank" in scores.scores
    after = Detector.start(calibration, Side.ROWS).after(scores).judgement()
    assert after.problems["column:zone"]
    assert after.total is not None


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300, 0.0, -1.0])
def test_odd_numbers_give_finite_scores(
    calibration: Calibration, live: dict[str, Any], value: float
) -> None:
    some = part(live, 0, B)
    some["distance"] = np.full(B, value)
    scores = score_rows(calibration, some).scores
    assert all(np.isfinite(score) for score in scores.values())


def test_columns_of_other_lengths_are_refused(
    calibration: Calibration, live: dict[str, Any]
) -> None:
    some = part(live, 0, B) | {"zone": np.zeros(3)}
    with pytest.raises(ValueError, match="give equally many"):
        score_rows(calibration, some)
    with pytest.raises(ValueError, match="at least 1"):
        score_rows(calibration, part(live, 0, 0))


def test_gain_needs_the_rows_before(calibration: Calibration, live: dict[str, Any]) -> None:
    block = part(live, 4000, 4500)
    few = score_labels(calibration, block, history=part(live, 3000, 4000))
    assert "gain" not in few.scores
    assert "1500 labelled rows" in few.problems["gain"]
    enough = score_labels(calibration, block, history=part(live, 4000 - HISTORY, 4000))
    assert abs(enough.scores["gain"]) < 0.05


def test_gain_is_what_a_recalibration_saves(calibration: Calibration, live: dict[str, Any]) -> None:
    longer = live | {TARGET: live[TARGET] * 1.25}
    scores = score_labels(
        calibration, part(longer, 4000, 4500), history=part(longer, 1000, 4000)
    ).scores
    assert scores["gain"] > 0.1
    assert scores["bias"] > max(calibration.scores["bias"])
    noise = np.random.default_rng(3).normal(0, 8, len(live[TARGET]))
    wrong = live | {TARGET: live[TARGET] + noise}
    scores = score_labels(
        calibration, part(wrong, 4000, 4500), history=part(wrong, 1000, 4000)
    ).scores
    assert scores["harm"] > max(calibration.scores["harm"])
    assert scores["gain"] < 0.03  # nothing can be learnt from noise


def test_a_bias_counts_where_the_error_grew(calibration: Calibration, live: dict[str, Any]) -> None:
    longer = live | {TARGET: live[TARGET] * 1.25}
    worse = score_labels(calibration, part(longer, 4000, 4500)).scores
    assert worse["harm"] > calibration.small_harm
    assert worse["harmful_bias"] == worse["bias"] > 0
    # As far from the labels on the whole, and nearer to each of them.
    better = live | {TARGET: live[PREDICTION] + 0.5}
    found = score_labels(calibration, part(better, 4000, 4500)).scores
    assert found["bias"] > 0
    assert found["harmful_bias"] == 0


def test_an_error_below_the_references_has_no_gain(
    calibration: Calibration, live: dict[str, Any]
) -> None:
    better = live | {TARGET: live[PREDICTION] + 0.5}
    scores = score_labels(
        calibration, part(better, 4000, 4500), history=part(better, 1000, 4000)
    ).scores
    assert scores["harm"] < 0
    assert scores["gain"] <= 0


def test_slices_have_streams_of_their_own() -> None:
    made = columns(ROWS, 1)
    slices = {"side=low": made["zone"] < 15, "side=none": np.zeros(ROWS, bool)}
    calibration = calibrated(made, slices=slices)
    assert "harm@side=low" in calibration.scores
    assert "harm@side=none" not in calibration.scores
    live = columns(B, 2, first=ROWS)
    live[TARGET] = np.where(live["zone"] < 15, live[TARGET] * 2, live[TARGET])
    scores = score_labels(
        calibration, live, slices={"side=low": live["zone"] < 15}, outside=B
    ).scores
    assert scores["harm@side=low"] > max(calibration.scores["harm@side=low"])
    assert scores["labels_outside"] == pytest.approx(0.5)


def degenerate(name: str, rows: int) -> Sample:
    rng = np.random.default_rng(5)
    made: dict[str, Any] = columns(rows, 5)
    empty: dict[str, dict[str, Any]] = {
        "constant": {"distance": np.ones(rows), "zone": np.zeros(rows)},
        "without a value": {"distance": np.full(rows, np.nan), "zone": np.full(rows, np.nan)},
        "one value": {"distance": np.where(np.arange(rows) == 7, 1.0, np.nan)},
        "late": {"distance": np.where(np.arange(rows) < rows * 0.9, np.nan, made["distance"])},
        "all differ": {"zone": rng.permutation(rows).astype(np.float64)},
        "no error": {TARGET: made[PREDICTION]},
        "one answer": {PREDICTION: np.ones(rows), TARGET: np.ones(rows)},
    }
    return sample_of(made | empty[name])


@pytest.mark.parametrize(
    "name",
    ["constant", "without a value", "one value", "late", "all differ", "no error", "one answer"],
)
@pytest.mark.parametrize("rows", [2, 40, 4000])
@pytest.mark.filterwarnings("error")
def test_degenerate_references_calibrate_and_score(name: str, rows: int) -> None:
    sample = degenerate(name, rows)
    calibration = calibrate(reference_like(sample), sample)
    live = columns(B, 6)
    scores = score_rows(calibration, live)
    labels = score_labels(calibration, live, history=columns(2000, 7))
    assert all(np.isfinite(score) for score in (*scores.scores.values(), *labels.scores.values()))
    if rows >= 3000:
        for side, found in ((Side.ROWS, scores), (Side.LABELS, labels)):
            assert Detector.start(calibration, side).after(found).judgement() is not None


def test_rows_without_event_times_have_one_stratum() -> None:
    made = columns(ROWS, 1)
    sample = Sample(
        {"distance": made["distance"]}, {"zone": made["zone"]}, made[PREDICTION], made[TARGET],
        deciding=frozenset({"distance", "zone"}),
    )  # fmt: skip
    calibration = calibrate(reference_like(sample), sample)
    live = columns(B, 2)
    del live[MOMENT]
    scores = score_rows(calibration, live).scores
    assert "untimed" not in scores
    assert scores["column:zone"] < max(calibration.scores["column:zone"]) * 1.5
