"""Which rides a candidate keeps, and by which model its errors are."""

import numpy as np
import pytest

from taxi_train.data.rides import Rides, mostly_newest
from taxi_train.fitting import estimators as models


def rides(rows: int) -> Rides:
    """Return rides whose duration is their distance times three and some noise."""
    rng = np.random.default_rng(1)
    miles = rng.gamma(2, 2, rows)
    times = np.arange(rows, dtype=float) * 300
    pickup, dropoff = rng.integers(1, 40, (2, rows)).astype(float)
    minutes = np.clip(miles * 3 + rng.normal(3, 2, rows), 1, 60)
    return Rides(pickup, dropoff, miles, times, times, minutes)


def test_few_rides_are_kept_whole() -> None:
    some = rides(500)

    assert mostly_newest(some, 500) is some


@pytest.mark.parametrize("most", [0, 1, 10, 999])
def test_many_rides_are_mostly_the_newest_in_their_order(most: int) -> None:
    kept = mostly_newest(rides(1000), most)

    assert len(kept) == most
    assert (np.diff(kept.moment) > 0).all()
    newest = int(most * 0.9)
    assert kept.moment[most - newest :].tolist() == [
        (1000 - newest + number) * 300.0 for number in range(newest)
    ]
    if most == 10:
        assert kept.moment[0] == 0, "some are of all the time before"


def test_out_of_fold_errors_are_of_the_weighted_model() -> None:
    some = rides(600)
    odd = np.arange(600) % 3 == 0
    target = np.where(odd, 60.0, some.duration)

    plain = models.out_of_fold(some.features(), target, None)
    weighted = models.out_of_fold(some.features(), target, np.where(odd, 1e-6, 1.0))

    assert np.abs(weighted[~odd] - target[~odd]).mean() < 4
    assert np.abs(plain[~odd] - target[~odd]).mean() > 8
