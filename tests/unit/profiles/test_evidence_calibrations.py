"""Calibrations: kept in the reference, made again alike, and short ones."""

from dataclasses import replace

import numpy as np
import pytest
from support.evidence_rows import calibrated, columns, sample_of

from taxi_profiles.evidence.borrowing import borrowing
from taxi_profiles.evidence.calibration import Calibration, NotCalibratedError, calibration_of
from taxi_profiles.evidence.detector import Detector
from taxi_profiles.evidence.scoring import score_labels, score_rows
from taxi_profiles.evidence.self_test import self_test
from taxi_profiles.evidence.streams import Side
from taxi_profiles.reference import Reference, reference_of

ROWS = 16_000


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    made = columns(ROWS, 1)
    return calibrated(made, slices={"side=low": made["zone"] < 15}, nullable=["distance"])


def test_a_reference_keeps_its_calibration_to_the_bit(calibration: Calibration) -> None:
    made = columns(600, 1)
    before = replace(reference_of(sample_of(made)), evidence=calibration.arrays())
    data = before.to_bytes()
    read = Reference.from_bytes(data)
    assert read.to_bytes() == data
    again = calibration_of(read)
    first, second = calibration.arrays(), again.arrays()
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)
        assert array.dtype == second[name].dtype
    live = columns(500, 2)
    assert score_rows(again, live) == score_rows(calibration, live)
    history = columns(3000, 3)
    assert score_labels(again, live, history=history) == score_labels(
        calibration, live, history=history
    )


def test_references_of_before_have_the_stream_that_is_made_of_others(
    calibration: Calibration,
) -> None:
    assert "harmful_bias" not in calibration.scores
    assert "harmful_bias" in calibration.book(Side.LABELS).streams
    assert "harmful_bias" not in calibration.book(Side.ROWS).streams


def test_the_same_rows_give_the_same_calibration(calibration: Calibration) -> None:
    made = columns(ROWS, 1)
    order = np.random.default_rng(1).permutation(ROWS)
    mixed = {name: column[order] for name, column in made.items()}
    again = calibrated(mixed, slices={"side=low": mixed["zone"] < 15}, nullable=["distance"])
    for name, array in calibration.arrays().items():
        np.testing.assert_array_equal(array, again.arrays()[name], err_msg=name)


def test_older_references_load_and_say_what_helps() -> None:
    old = Reference.from_bytes(reference_of(sample_of(columns(600, 1))).to_bytes())
    with pytest.raises(NotCalibratedError, match="train it anew for a verdict with evidence"):
        calibration_of(old)


def test_a_later_format_says_what_helps(calibration: Calibration) -> None:
    arrays = calibration.arrays()
    layout = arrays["layout"].tobytes().replace(b'"format": 1', b'"format": 9')
    arrays["layout"] = np.frombuffer(layout, np.uint8)
    reference = replace(reference_of(sample_of(columns(600, 1))), evidence=arrays)
    with pytest.raises(NotCalibratedError, match="format 9, 1 is known"):
        calibration_of(reference)


@pytest.mark.parametrize(("rows", "size"), [(15_000, 500), (14_999, 250), (3100, 100), (2000, 500)])
def test_blocks_are_as_large_as_the_reference_has_enough_of(rows: int, size: int) -> None:
    assert calibrated(columns(rows, 1)).block_rows == size


def test_a_short_reference_borrows_from_the_version_before(calibration: Calibration) -> None:
    short = calibrated(columns(3500, 5), block_rows=500)
    with pytest.raises(NotCalibratedError):
        Detector.start(short, Side.ROWS)
    made = borrowing(short, calibration)
    assert made.borrowed == calibration.blocks
    assert made.blocks == calibration.blocks + short.blocks
    for name in ("rank:distance", "column:zone", "harm"):
        own, other, joined = (one.scores[name] for one in (short, calibration, made))
        assert np.ptp(joined) >= np.ptp(other) - 1e-12
        assert np.median(joined[: len(other)]) == pytest.approx(np.median(own))
    detector = Detector.start(made, Side.ROWS)
    for seed in range(8):
        live = columns(500, 100 + seed, first=3500 + 500 * seed)
        longer = live | {"distance": live["distance"] * 1.25}
        detector = detector.after(score_rows(made, longer))
    assert detector.alarm
    with pytest.raises(ValueError, match="blocks of 500 rows, the reference of 100"):
        borrowing(calibrated(columns(3500, 5), block_rows=100), calibration)


def test_the_engine_finds_what_is_put_through_it(calibration: Calibration) -> None:
    found = self_test(calibration, 100_000)
    assert {one.shift for one in found} == {
        "values missing of distance", "values shifted of distance",
        "values missing of zone", "values moved to one of zone",
    }  # fmt: skip
    assert all(one.passed for one in found), found


def test_an_engine_that_cannot_alarm_fails_its_test(calibration: Calibration) -> None:
    wide = {name: np.full(len(some), 1e9) for name, some in calibration.scores.items()}
    found = self_test(replace(calibration, scores=wide), 100_000)
    assert found
    assert not any(one.passed for one in found)


def test_columns_that_may_be_missing_are_allowed_more_holes(calibration: Calibration) -> None:
    lines = calibration.book(Side.ROWS)
    levels = {
        name: float(lines.lines.levels[lines.lines.stream == place].max())
        for place, name in enumerate(lines.streams)
    }
    assert levels["nulls:distance"] == pytest.approx(0.05)
    assert levels["nulls:zone"] == pytest.approx(0.004)
