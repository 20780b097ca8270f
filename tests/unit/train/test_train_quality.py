"""Rides that must not be trained on are named with a word and a figure."""

from dataclasses import replace

import numpy as np
import pytest

from taxi_train.candidates import Split
from taxi_train.quality import DataQualityError, QualityRules, check, check_labels
from taxi_train.rides import Rides, joined

RNG = np.random.default_rng(3)


def rides(rows: int, zones: tuple[int, int] = (1, 200)) -> Rides:
    return Rides(
        RNG.integers(*zones, rows).astype(float), RNG.integers(*zones, rows).astype(float),
        RNG.gamma(2, 2, rows), np.arange(rows) * 60.0, np.arange(rows) * 60.0,
        RNG.gamma(4, 4, rows),
    )  # fmt: skip


REFERENCE = rides(5000)
GOOD = Split(rides(2000), rides(400), rides(1000))
RULES = QualityRules(min_rows=1000, min_span_hours=2)


def test_good_rides_pass() -> None:
    check(GOOD, REFERENCE, RULES)


FIT = GOOD.fit
BAD = {
    "TooFewRows": replace(GOOD, fit=FIT[:999]),
    "ShortSpan": replace(GOOD, fit=replace(FIT, answered=np.arange(2000) * 1.0)),
    "TooFewDistinct": replace(GOOD, fit=replace(FIT, distance=np.arange(2000) % 7 * 1.0)),
    "LabelSpread": replace(GOOD, fit=replace(FIT, duration=10 + FIT.duration / 1000)),
    "Missing": replace(GOOD, fit=replace(FIT, moment=np.full(2000, np.nan))),
    "Unseen": replace(GOOD, fit=rides(2000, (220, 260))),
    "Repeated": replace(GOOD, fit=FIT[np.arange(2000) % 900]),
    "Leaked": replace(GOOD, gate=joined(GOOD.gate, FIT[:400])),
}


@pytest.mark.parametrize("reason", BAD)
def test_bad_rides_are_refused_with_a_reason(reason: str) -> None:
    with pytest.raises(DataQualityError) as found:
        check(BAD[reason], REFERENCE, RULES)

    assert found.value.reason == reason
    assert np.isfinite(found.value.figure)


def test_durations_in_another_unit_are_refused() -> None:
    check_labels(1000, 900, RULES)
    with pytest.raises(DataQualityError, match="unit") as found:
        check_labels(1000, 500, RULES)

    assert (found.value.reason, found.value.figure) == ("LabelRange", 0.5)
