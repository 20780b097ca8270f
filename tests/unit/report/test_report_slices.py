"""The interval of a slice's error says what is known, and is absent where nothing is."""

import copy

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from support.references import reference_for
from support.report_rides import collapse_document
from support.report_rows import MONDAY, columns_of, layout, reference, rows_of

from taxi_profiles.reference import MOMENT, PREDICTION, TARGET
from taxi_report.compare.slices import MIN_ROWS, slices_of, worst_slices
from taxi_report.compare.words import words_of
from taxi_report.document import Served
from taxi_report.profile.distinct import STANDARD_ERROR
from taxi_report.profile.layout import HOUR, MAX_ALL_CROSSED, Layout, layout_of
from taxi_report.profile.version import profile_of
from taxi_report.render.charts.slices import slice_chart
from taxi_report.render.page import page_of
from taxi_report.render.schema import report_schema
from taxi_report.rows import Rows
from taxi_schema.reading import schema_of

REFERENCE, REFERENCE_ROWS = reference(3000)
LAYOUT = layout(REFERENCE)
EXPECTED = profile_of(REFERENCE_ROWS, LAYOUT)


def by_hour(labels: dict[int, list[float]]) -> Rows:
    """Return rows whose prediction is 20, at some hours of the first day, with such errors."""
    errors = [(hour, error) for hour, each in labels.items() for error in each]
    columns = columns_of(len(errors), 5)
    columns[MOMENT] = MONDAY + np.array([hour * 3600.0 for hour, _ in errors])
    columns[PREDICTION] = np.full(len(errors), 20.0)
    columns[TARGET] = 20.0 - np.array([error for _, error in errors])
    return rows_of(columns)


def test_one_label_or_equal_errors_have_no_interval() -> None:
    found = {
        one.value: one.mae
        for one in slices_of(
            LAYOUT,
            profile_of(by_hour({1: [3.0], 2: [0.1] * 777, 3: [-0.1, 0.1], 4: [1.0, 3.0]}), LAYOUT),
            EXPECTED,
        )
        if one.name == HOUR
    }

    for value, mean in (("01:00", 3.0), ("02:00", 0.1), ("03:00", 0.1)):
        one = found[value]
        assert one is not None
        assert one.mae == pytest.approx(mean)
        assert (one.low, one.high) == (None, None)
    two = found["04:00"]
    assert two is not None
    assert (two.mae, two.low, two.high) == pytest.approx((2.0, 2 - 1.96, 2 + 1.96), abs=0.001)


def test_a_cell_without_an_interval_is_drawn_without_one() -> None:
    cells = [
        {"value": "a", "rows": 1, "labelled": 1, "share": 0.5, "reference_share": 0.5,
         "reference_mae": None, "prediction_drift": None,
         "mae": {"mae": 3.0, "low": None, "high": None}},
        {"value": "b", "rows": 9, "labelled": 9, "share": 0.5, "reference_share": 0.5,
         "reference_mae": None, "prediction_drift": None,
         "mae": {"mae": 2.0, "low": 1.0, "high": 2.9}},
    ]  # fmt: skip

    drawn = str(slice_chart("name", cells, 2.5, "c"))

    assert drawn.count("dot current") == 2
    assert drawn.count("whisker") == 1
    assert "a: 3 over 1 labelled rows" in drawn
    assert "Largest mean absolute error: a with 3<" in drawn


def test_equal_errors_may_be_the_worst() -> None:
    draw = np.random.default_rng(2)
    hours = {hour: draw.normal(0, 1, 300).tolist() for hour in range(5, 9)}
    current = profile_of(by_hour({**hours, 2: [15.0] * (MIN_ROWS + 50)}), LAYOUT)

    worst = worst_slices(LAYOUT, current, EXPECTED)

    first = next(one for one in worst if one.name == HOUR)
    assert first.value == f"{HOUR} 02:00"
    assert first.mae is not None
    assert (first.mae.mae, first.mae.low) == (15.0, None)


def test_words_page_and_schema_take_an_absent_interval() -> None:
    document = copy.deepcopy(collapse_document())
    version = document["versions"][0]
    worst = version["worst_slices"][0]
    assert worst["mae"]["low"] > 0
    for one in (worst, next(one for one in version["slices"] if one["mae"])):
        one["mae"] |= {"low": None, "high": None}

    Draft202012Validator(report_schema()).validate(document)
    assert b"None" not in page_of(document, {})
    served = Served(10, 10, None, None, {}, {})
    sentence = next(
        one
        for one in words_of(served, document["versions"], whole=True)
        if f"is worst for {worst['value']}" in one
    )
    assert f"mean absolute error {worst['mae']['mae']:.3g} against" in sentence


@pytest.mark.parametrize(
    ("ratio", "shown"), [(0.0, "below 1.6 %"), (0.0155, "below 1.6 %"), (0.034, "3.4 %")]
)
def test_few_repeated_rows_are_not_told_apart_from_none(ratio: float, shown: str) -> None:
    document = copy.deepcopy(collapse_document())
    document["versions"][0]["duplicate_ratio"] = ratio

    page = page_of(document, {}).decode()

    assert f'<dt>Duplicate rows</dt><dd><span class="value">{shown}</span>' in page
    assert "standard error 0.8 %" in page
    assert f"{2 * STANDARD_ERROR:.1%}" == "1.6%"


def wide_layout(columns: int) -> Layout:
    """Return the layout of a schema with so many numbers."""
    numbers = [{"name": f"n{place}", "kind": "number"} for place in range(columns)]
    target = {"name": "y", "minimum": 0, "maximum": 60}
    schema = schema_of({"id": "id", "target": target, "columns": numbers})
    known = reference_for(schema, 400)
    return layout_of("v1", schema, known, span=(0.0, 86_400.0), sample_rows=10)


def test_pairs_of_many_columns_are_counted_within_a_limit_of_cells() -> None:
    few, many = wide_layout(8), wide_layout(64)
    sizes, pairs = many.slice_sizes(), many.crossed()

    assert few.uncrossed == 0
    assert sum(sizes[first] * sizes[second] for first, second in pairs) <= MAX_ALL_CROSSED
    assert many.uncrossed == 65 * 64 // 2 - len(pairs) > 0
    # The drift of predictions by slice comes of these.
    assert {(place, 64) for place in range(64)} <= set(pairs)
