"""Traffic in steps: every row once, labels when they are known, refusals counted."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from support.labelled import labelled, orders
from verdicts.scenarios import MIN_AFTER, WARM_UP, Extent, spans
from verdicts.traffic import Traffic, refusing, steps, traffic_of

SCHEMA = orders()


def traffic(rows: int, seed: int, refused_share: float = 0.0) -> Traffic:
    """Return requests five minutes apart whose places stand in `age`."""
    random = np.random.default_rng(seed)
    whole = traffic_of(SCHEMA, labelled(SCHEMA, rows, seed), random.uniform(0, 7200, rows))
    refused = np.where(random.random(rows) < refused_share, "weight", "").astype(object)
    numbered = whole.with_column("age", np.arange(rows) * 1.0)
    return replace(numbered, refused=refused)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from((0.0, 0.3)), st.integers(7, 90))
def test_steps_hold_each_served_row_once_and_in_order(
    seed: int, refused_share: float, size: int
) -> None:
    whole = traffic(400, seed, refused_share)
    served = np.flatnonzero(whole.refused == "")

    found = list(steps(whole, size))

    places = np.concatenate([step.rows.columns["age"] for step in found])
    assert_array_equal(places, served[: len(served) // size * size])
    assert all(len(step.rows) == size for step in found)
    counted = sum(step.refused.get("weight", 0) for step in found)
    assert counted == (whole.refused[: found[-1].requests] != "").sum()
    assert all(np.isnan(step.rows.target).all() for step in found)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from((0.0, 0.3)))
def test_labels_come_in_their_order_and_never_too_early(seed: int, refused_share: float) -> None:
    whole = traffic(400, seed, refused_share)

    known: list[float] = []
    for step in steps(whole, 40):
        places = step.labelled.columns["age"].astype(int)
        assert (whole.refused[places] == "").all()
        assert (whole.known[places] <= whole.arrived[step.requests - 1]).all()
        assert_array_equal(step.labelled.target, whole.rows.target[places])
        known += whole.known[places].tolist()

    assert known == sorted(known)
    assert known


def test_a_row_without_label_is_never_labelled() -> None:
    rows = labelled(SCHEMA, 200)
    rows = replace(rows, target=np.where(np.arange(200) % 2, rows.target, np.nan))

    found = list(steps(traffic_of(SCHEMA, rows, np.zeros(200)), 50))

    assert sum(len(step.labelled) for step in found) == 100
    assert all(np.isfinite(step.labelled.target).all() for step in found)


def test_a_row_without_event_time_has_that_of_its_request() -> None:
    whole = traffic(100, 1)
    lost = whole.with_event_times(np.full(100, "NaT", "datetime64[us]"))

    (step,) = steps(lost, 100)

    assert_array_equal(step.moments, whole.arrived)


def test_what_the_schema_does_not_allow_is_refused_and_stays_so() -> None:
    whole = traffic(50, 1)
    weights = np.where(np.arange(50) < 3, 5000.0, whole.rows.columns["weight"])

    refused = refusing(SCHEMA, whole.with_column("weight", weights))
    again = refusing(SCHEMA, refused.with_column("weight", whole.rows.columns["weight"]))

    assert_array_equal(np.flatnonzero(refused.refused == "weight"), [0, 1, 2])
    assert_array_equal(again.refused, refused.refused)


def test_shifts_begin_and_end_between_known_events() -> None:
    # 2,000 requests a day: snow on 1 to 3 and 7 February 2021, Presidents' Day on the 15th.
    first = np.datetime64("2021-02-01T00:00:00").astype(np.int64)
    arrived = np.array(first + np.arange(28 * 2000) * 43.2, np.float64)

    found = spans(arrived, Extent(6, 9000))

    assert 1 <= len(found) <= 6
    for begin, end in found:
        assert MIN_AFTER <= end - begin <= 9000
        days = arrived[[begin - WARM_UP, end - 1]].astype("datetime64[s]").astype("datetime64[D]")
        assert str(days[0]) > "2021-02-08" or str(days[1]) < "2021-02-07"
        assert not str(days[0]) <= "2021-02-15" <= str(days[1])
        assert begin % 500
