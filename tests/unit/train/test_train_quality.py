"""Rows that must not be trained on are named with a word and a figure."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from support.labelled import DOCUMENT, labelled, orders

from taxi_schema.column import MISSING_INTEGER
from taxi_schema.columns.rows import LabelledRows, joined
from taxi_schema.reading import schema_of
from taxi_train.data.quality import DataQualityError, QualityRules, check, usable
from taxi_train.data.split import Split

SCHEMA = orders()
REFERENCE = labelled(SCHEMA, 5000, 1)
FIT = labelled(SCHEMA, 2000, 2)
GOOD = Split(FIT, labelled(SCHEMA, 400, 3), labelled(SCHEMA, 1000, 4))
RULES = QualityRules()


def timed(minutes: np.ndarray) -> LabelledRows:
    times = np.datetime64("2021-01-01", "us") + (minutes * 60e6).astype("m8[us]")
    return replace(FIT, event_times=times)


def column(rows: LabelledRows, name: str, change: Callable[[np.ndarray], object]) -> LabelledRows:
    return replace(rows, columns=rows.columns | {name: np.array(change(rows.columns[name]))})


def test_good_rows_pass() -> None:
    check(SCHEMA, GOOD, REFERENCE, RULES)


PLACES = np.arange(2000)
NEVER = np.full(2000, np.datetime64("NaT", "us"))
BAD = {
    "TooFewRows": replace(GOOD, fit=FIT[:999]),
    "ShortSpan": replace(GOOD, fit=timed(PLACES / 20)),
    "ShortSpan but for one wrong date": replace(
        GOOD, fit=timed(np.where(PLACES == 9, 1e7, PLACES / 20))
    ),
    "TooFewDistinct": replace(GOOD, fit=column(FIT, "weight", lambda _: PLACES.astype(float) % 7)),
    "TooFewDistinct labels": replace(
        GOOD, fit=replace(FIT, target=10.0 * (PLACES % 20).astype(np.float64))
    ),
    "LabelSpread": replace(GOOD, fit=replace(FIT, target=10 + FIT.target / 1000)),
    "Missing": replace(GOOD, fit=replace(FIT, event_times=NEVER)),
    "Unseen": replace(
        GOOD, fit=column(FIT, "shop", lambda shop: np.array([f"new {text}" for text in shop], "O"))
    ),
    "Repeated": replace(GOOD, fit=FIT[PLACES % 900]),
    "Leaked": replace(GOOD, gate=joined([GOOD.gate, FIT[:400]])),
    "Leaked from the choice": replace(GOOD, gate=joined([GOOD.gate, GOOD.choose])),
}


@pytest.mark.parametrize("reason", BAD)
def test_bad_rows_are_refused_with_a_reason(reason: str) -> None:
    with pytest.raises(DataQualityError) as refused:
        check(SCHEMA, BAD[reason], REFERENCE, RULES)

    assert refused.value.reason == reason.split(" ")[0]
    assert np.isfinite(refused.value.figure)


def test_a_missing_category_is_not_unseen() -> None:
    absent = column(FIT, "area", lambda area: np.full(len(area), MISSING_INTEGER))
    known = column(REFERENCE, "area", lambda area: np.where(area == MISSING_INTEGER, 1, area))

    check(SCHEMA, replace(GOOD, fit=absent), known, RULES)


def test_a_category_that_is_new_in_the_schema_is_not_unseen() -> None:
    before = column(REFERENCE, "shop", lambda shop: np.full(len(shop), "", object))

    check(SCHEMA, GOOD, before, RULES)


def test_rows_that_are_replayed_faster_than_they_were_are_checked_by_their_event_times() -> None:
    fast = replace(GOOD, fit=replace(FIT, answered=PLACES / 100))

    check(SCHEMA, fast, REFERENCE, RULES)


def test_the_answers_tell_the_span_when_no_row_has_an_event_time() -> None:
    untimed = replace(FIT, event_times=NEVER)
    anything = replace(RULES, max_missing=1.0)

    check(SCHEMA, replace(GOOD, fit=untimed), REFERENCE, anything)
    short = replace(untimed, answered=FIT.answered / 100)
    with pytest.raises(DataQualityError, match="hours"):
        check(SCHEMA, replace(GOOD, fit=short), REFERENCE, anything)


def test_without_an_event_time_in_the_schema_repeats_and_spans_are_ordinary() -> None:
    timeless = replace(FIT, event_times=NEVER)[PLACES % 900]
    schema = schema_of({
        key: value for key, value in DOCUMENT.items() if key not in {"event_time", "derived"}
    })  # fmt: skip

    check(schema, Split(timeless, GOOD.choose, GOOD.gate), REFERENCE, RULES)


def test_labels_in_another_unit_are_refused() -> None:
    cents = replace(FIT, target=np.where(PLACES % 2, FIT.target * 100 + 1000, FIT.target))

    usable(SCHEMA, FIT, RULES)
    with pytest.raises(DataQualityError, match=r"\(from -50 to 200 euros\).*unit") as refused:
        usable(SCHEMA, cents, RULES)

    assert refused.value.reason == "LabelRange"
    assert refused.value.figure == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", ["shop", "weight", "price"])
def test_rows_without_what_the_model_needs_are_refused(name: str) -> None:
    bad = PLACES % 5 == 0
    if name == "price":
        rows = replace(FIT, target=np.where(bad, np.nan, FIT.target))
    else:
        missing = "" if name == "shop" else np.nan
        kind = FIT.columns[name].dtype
        rows = column(FIT, name, lambda old: np.where(bad, missing, old).astype(kind))

    with pytest.raises(DataQualityError) as refused:
        usable(SCHEMA, rows, RULES)

    assert (refused.value.reason, refused.value.figure) == ("Null", 0.2)


def test_rows_without_what_is_nullable_are_kept() -> None:
    rows = column(FIT, "age", lambda age: np.full(len(age), np.nan))

    assert len(usable(SCHEMA, rows, RULES)) == 2000


def test_few_odd_rows_are_left_out() -> None:
    odd = PLACES % 50 == 0

    kept = usable(SCHEMA, replace(FIT, target=np.where(odd, np.nan, FIT.target)), RULES)

    assert np.isfinite(kept.target).all()
    assert len(kept) <= 1960


def test_more_categories_than_the_schema_keeps_are_refused_by_name() -> None:
    rows = column(FIT, "app", lambda app: np.array([f"v{place}" for place in PLACES], object))
    columns = [
        column | {"max_categories": 100} if column["name"] == "app" else column
        for column in DOCUMENT["columns"]
    ]

    with pytest.raises(DataQualityError, match=r"app: 2000 categories.*max_categories 100"):
        usable(orders(columns=columns), rows, RULES)
