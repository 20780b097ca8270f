"""A column may have any name, those of the report's own figures too."""

from dataclasses import replace

import numpy as np
import pytest
from support.report_rows import DAY, MONDAY, NUMBER, columns_of, reference, rows_of
from support.taxi_columns import CATEGORICAL, SCHEMA

from taxi_profiles.reference import PREDICTION
from taxi_report.compare.drift import column_drift
from taxi_report.compare.performance import labels_of, performance_of, timeline_of
from taxi_report.compare.slices import MIN_ROWS, slices_of, worst_slices
from taxi_report.profile.layout import HOUR, WEEKDAY, Layout, layout_of
from taxi_report.profile.version import VersionProfile, merged, profile_of
from taxi_report.rows import Rows

#: Names of other inputs with the same values, so whatever is said of one can be said of all.
NUMBERS = ("error", "latency", "label lag", "time", "a|b", HOUR, "event hour|event weekday")
CATEGORIES = ("a", "b", "time|error", WEEKDAY, "|")
NAMES = {**dict.fromkeys(NUMBERS, NUMBER), **dict.fromkeys(CATEGORIES, CATEGORICAL[0])}

PLAIN, REFERENCE_ROWS = reference(3000)
REFERENCE = replace(
    PLAIN,
    numeric={**PLAIN.numeric, **dict.fromkeys(NUMBERS, PLAIN.numeric[NUMBER])},
    categorical={
        **PLAIN.categorical,
        **dict.fromkeys(CATEGORIES, PLAIN.categorical[CATEGORICAL[0]]),
    },
    stratified={**PLAIN.stratified, **{name: PLAIN.stratified[old] for name, old in NAMES.items()}},
    thresholds={**PLAIN.thresholds, **{name: PLAIN.thresholds[old] for name, old in NAMES.items()}},
)


def named(rows: Rows) -> Rows:
    """Give rows the other inputs."""
    more = {name: rows.columns[old] for name, old in NAMES.items()}
    return replace(rows, columns={**rows.columns, **more})


def profiled(rows: Rows, layout: Layout) -> VersionProfile:
    """Profile rows in two parts."""
    half = len(rows) // 2
    parts = [rows.taken(range(half)), rows.taken(range(half, len(rows)))]
    return merged([profile_of(one, layout) for one in parts], layout)


def layouts() -> tuple[Layout, Layout]:
    """Return the layout of the plain reference, and of that with the other inputs."""
    columns = {column.name: column for column in SCHEMA.columns}
    more = tuple(replace(columns[old], name=name) for name, old in NAMES.items())
    plain, other = (
        layout_of(
            "v1", replace(SCHEMA, columns=(*SCHEMA.columns, *added), slices=()), reference,
            span=(MONDAY, MONDAY + 28 * DAY), sample_rows=100,
        )
        for reference, added in ((PLAIN, ()), (REFERENCE, more))
    )  # fmt: skip
    return plain, other


COLUMNS = columns_of(4000, 21)
BAD = (COLUMNS[CATEGORICAL[0]] <= 8) & (COLUMNS[NUMBER] > 2)
COLUMNS[PREDICTION] = COLUMNS[PREDICTION] + np.where(BAD, 15.0, 0.0)
ROWS = rows_of(COLUMNS, labelled=0.9)


def test_inputs_of_any_name_change_no_figure_of_the_report() -> None:
    plain, other = layouts()
    expected, found = profiled(ROWS, plain), profiled(named(ROWS), other)

    assert performance_of(found) == performance_of(expected)
    assert labels_of(found) == labels_of(expected)
    assert labels_of(found).lag_seconds == (3600.0,) * 3
    times = [timeline_of(one, MONDAY, plain.bucket) for one in (found, expected)]
    assert times[0] == times[1]


def test_every_input_has_a_drift_of_its_own() -> None:
    plain, other = layouts()
    old, new = profiled(ROWS, plain), profiled(named(ROWS), other)
    theirs, others = profiled(REFERENCE_ROWS, plain), profiled(named(REFERENCE_ROWS), other)

    for name, same in NAMES.items():
        found = column_drift(other.column(name), REFERENCE, new, others, new)
        expected = column_drift(plain.column(same), PLAIN, old, theirs, old)
        assert replace(found, name=same, decides=expected.decides) == expected


def test_every_input_has_slices_of_its_own() -> None:
    plain, other = layouts()
    found = slices_of(other, profiled(named(ROWS), other), profiled(named(REFERENCE_ROWS), other))
    expected = slices_of(plain, profiled(ROWS, plain), profiled(REFERENCE_ROWS, plain))

    for name, old in {**NAMES, NUMBER: NUMBER, PREDICTION: PREDICTION}.items():
        own = [replace(one, name=old) for one in found if one.name == name]
        assert own
        assert own == [one for one in expected if one.name == old]
    clocks = {one.name for one in found} - {one.name for one in expected} - set(NAMES)
    assert clocks == {f"{HOUR} (clock)", f"{WEEKDAY} (clock)"}
    for name in (HOUR, WEEKDAY):
        own = [replace(one, name=name) for one in found if one.name == f"{name} (clock)"]
        assert own == [one for one in expected if one.name == name]


@pytest.mark.parametrize("part", [1, 0.5])
def test_the_worst_slices_are_found_and_named(part: float) -> None:
    _, other = layouts()
    rows = named(ROWS.taken(range(int(part * len(ROWS)))))

    worst = worst_slices(other, profiled(rows, other), profiled(named(REFERENCE_ROWS), other))

    assert worst
    names = set(other.slice_names())
    assert all(set(one.name.split(" × ")) <= names for one in worst)
    assert all(one.labelled >= MIN_ROWS for one in worst)


def test_large_categories_that_the_reference_never_had_keep_their_names() -> None:
    plain, _ = layouts()
    name = CATEGORICAL[0]
    ids = COLUMNS[name].copy()
    ids[:30], ids[30:50] = 1234567.0, 1234568.0
    current = profiled(rows_of({**COLUMNS, name: ids}), plain)

    drift = column_drift(plain.column(name), PLAIN, current, profiled(REFERENCE_ROWS, plain), None)

    assert drift.quality.unseen[:2] == (("1234567", 30), ("1234568", 20))
