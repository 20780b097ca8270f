"""Rides that must not be trained on are named with a word and a figure."""

from dataclasses import replace

import numpy as np
import pytest

from taxi_train.data.quality import DataQualityError, QualityRules, check, usable
from taxi_train.data.rides import Rides, joined
from taxi_train.data.split import Split

RNG = np.random.default_rng(3)


def rides(rows: int, zones: tuple[int, int] = (1, 200)) -> Rides:
    return Rides(
        RNG.integers(*zones, rows).astype(float), RNG.integers(*zones, rows).astype(float),
        RNG.gamma(2, 2, rows), np.arange(rows, dtype=float) * 60, np.arange(rows, dtype=float) * 60,
        RNG.gamma(4, 4, rows),
    )  # fmt: skip


REFERENCE = rides(5000)
GOOD = Split(rides(2000), rides(400), rides(1000))
RULES = QualityRules()


def test_good_rides_pass() -> None:
    check(GOOD, REFERENCE, RULES)


FIT = GOOD.fit
BAD = {
    "TooFewRows": replace(GOOD, fit=FIT[:999]),
    "ShortSpan": replace(GOOD, fit=replace(FIT, moment=np.arange(2000, dtype=float) * 3)),
    "ShortSpan but for one wrong date": replace(
        GOOD, fit=replace(FIT, moment=np.where(np.arange(2000) == 9, 1e9, np.arange(2000) * 3.0))
    ),
    "TooFewDistinct": replace(GOOD, fit=replace(FIT, distance=np.arange(2000, dtype=float) % 7)),
    "LabelSpread": replace(GOOD, fit=replace(FIT, duration=10 + FIT.duration / 1000)),
    "Missing": replace(GOOD, fit=replace(FIT, moment=np.full(2000, np.nan))),
    "Unseen": replace(GOOD, fit=rides(2000, (220, 260))),
    "Repeated": replace(GOOD, fit=FIT[np.arange(2000) % 900]),
    "Leaked": replace(GOOD, gate=joined(GOOD.gate, FIT[:400])),
    "Leaked from the choice": replace(GOOD, gate=joined(GOOD.gate, GOOD.choose)),
}


@pytest.mark.parametrize("reason", BAD)
def test_bad_rides_are_refused_with_a_reason(reason: str) -> None:
    with pytest.raises(DataQualityError) as found:
        check(BAD[reason], REFERENCE, RULES)

    assert found.value.reason == reason.split(" ")[0]
    assert np.isfinite(found.value.figure)


def test_rides_that_are_replayed_faster_than_they_were_are_judged_by_their_pickup_times() -> None:
    check(replace(GOOD, fit=replace(FIT, answered=np.arange(2000) / 100)), REFERENCE, RULES)


def test_the_answers_tell_the_span_when_no_ride_has_a_pickup_time() -> None:
    never = np.full(2000, np.nan)
    anything = replace(RULES, max_missing=1.0)

    check(replace(GOOD, fit=replace(FIT, moment=never)), REFERENCE, anything)
    with pytest.raises(DataQualityError, match="hours"):
        check(
            replace(GOOD, fit=replace(FIT, moment=never, answered=FIT.answered / 100)),
            REFERENCE, anything,
        )  # fmt: skip


def test_durations_in_another_unit_are_refused() -> None:
    half = replace(FIT, duration=np.where(np.arange(2000) % 2, FIT.duration * 60, 10.0))

    usable(FIT, RULES)
    with pytest.raises(DataQualityError, match="unit") as found:
        usable(half, RULES)

    assert found.value.reason == "LabelRange"
    assert found.value.figure == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", ["pickup", "dropoff", "distance", "duration"])
def test_rides_without_what_the_model_needs_are_refused(name: str) -> None:
    values = np.where(np.arange(2000) % 5, getattr(FIT, name), np.nan)

    with pytest.raises(DataQualityError) as found:
        usable(replace(FIT, **{name: values}), RULES)

    assert (found.value.reason, found.value.figure) == ("Null", 0.2)


def test_few_odd_rides_are_left_out() -> None:
    odd = np.arange(2000) % 50 == 0

    kept = usable(replace(FIT, duration=np.where(odd, np.nan, FIT.duration)), RULES)

    assert np.isfinite(kept.duration).all()
    assert len(kept) <= 1960
