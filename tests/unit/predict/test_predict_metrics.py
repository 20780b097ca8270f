"""Many values at once count as each of them does alone."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from taxi_predict.metrics import BulkHistogram

BOUNDS = (0.1, 1.0, 10.0)
AMOUNTS = st.one_of(st.sampled_from([0.0, *BOUNDS, math.nan]), st.floats(0, 100))


def samples(histogram: Histogram) -> dict[tuple[str, str], float]:
    """Return the values by the sample's name and bound."""
    (family,) = histogram.collect()
    return {
        (one.name, one.labels.get("le", "")): one.value
        for one in family.samples
        if not one.name.endswith("_created")
    }


@given(st.lists(st.lists(AMOUNTS, max_size=5), max_size=4))
def test_values_at_once_count_as_one_by_one(groups: list[list[float]]) -> None:
    bulk = BulkHistogram("bulk", "h", buckets=BOUNDS, registry=CollectorRegistry())
    single = Histogram("bulk", "h", buckets=BOUNDS, registry=CollectorRegistry())
    for amounts in groups:
        bulk.observe_all(amounts)
        for one in amounts:
            single.observe(one)
    found, wanted = samples(bulk), samples(single)
    total = ("bulk_sum", "")
    assert found.pop(total) == pytest.approx(wanted.pop(total), nan_ok=True)
    assert found == wanted
