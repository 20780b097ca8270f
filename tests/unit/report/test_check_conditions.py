"""The file of conditions: what it may say, and one line for what it may not."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.labelled import orders
from support.schemas import ANYTHING

from taxi_report.check.conditions import (
    BUILT_IN,
    ConditionsError,
    conditions_of,
    read_conditions,
)

SCHEMA = orders()


def test_an_empty_file_is_none() -> None:
    assert conditions_of({}, SCHEMA) == BUILT_IN


def test_what_the_file_says_takes_the_place_of_the_defaults() -> None:
    found = conditions_of(
        {
            "rows": {"minimum": 500, "max_doubled_ids": False},
            "defaults": {"max_score": 0.2},
            "columns": {"weight": {"max_mean_change": 0.5}, "price": {"max_drift": 2}},
            "error": {"max_rmse": 4.5},
        },
        SCHEMA,
    )

    assert found.rows.limits == {"minimum": 500, "max_refused_share": 0.05, "max_doubled_ids": None}
    assert found.defaults.limits == {"max_drift": 1.0, "max_score": 0.2}
    assert found.columns["weight"].limits == {"max_mean_change": 0.5}
    assert found.columns["price"].limits == {"max_drift": 2}
    assert found.error.limits == {"max_rmse": 4.5}


def test_what_the_file_names_must_be_evaluated_and_defaults_need_not() -> None:
    found = conditions_of(
        {
            "rows": {"minimum": 1},
            "defaults": {"max_score": 0.2},
            "columns": {"weight": {"max_drift": 1}, "age": {"max_drift": 1, "required": False}},
            "error": {"required": True},
        },
        SCHEMA,
    )

    assert found.rows.required == {"minimum"}
    assert found.defaults.required == frozenset()
    assert found.columns["weight"].required == {"max_drift"}
    assert found.columns["age"].required == frozenset()
    assert found.error.limits == {"max_error": 1.0}
    assert found.error.required == {"max_error"}


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"row": {}}, "row: is no key here; did you mean rows?"),
        ({"rows": []}, "rows: is a list; give a table"),
        ({"rows": {"minimun": 1}}, "rows.minimun: is no key here; did you mean minimum?"),
        ({"rows": {"minimum": 1.5}}, "rows.minimum: is a float; give a whole number"),
        ({"rows": {"minimum": -1}}, "rows.minimum: is -1; give a number from 0 on"),
        ({"rows": {"minimum": "1"}}, "rows.minimum: is a str; give a number, or false to switch"),
        ({"rows": {"minimum": True}}, "rows.minimum: is a bool; give a number, or false"),
        ({"rows": {"required": 1}}, "rows.required: is a int; give true or false"),
        ({"rows": {"max_refused_share": 5}}, "max_refused_share: is 5; give a number from 0 to 1"),
        (
            {"defaults": {"max_nul_share": 0}},
            "defaults.max_nul_share: is no key here; did you mean",
        ),
        ({"columns": {"wieght": {}}}, 'columns."wieght": is no column of the schema; did you mean'),
        ({"columns": {"weight": 1}}, 'columns."weight": is a int; give a table'),
        ({"columns": 1}, "columns: is a int; give tables such as"),
        (
            {"columns": {"shop": {"max_mean_change": 1}}},
            "max_mean_change: has no mean, as no number",
        ),
        ({"columns": {"weight": {"max_unseen_share": 1}}}, "max_unseen_share: is no category"),
        (
            {"columns": {"price": {"max_null_share": 1}}},
            "max_null_share: is for columns of requests",
        ),
        ({"error": {"max_rmse": float("nan")}}, "error.max_rmse: is nan; give a number from 0 on"),
    ],
)
def test_what_cannot_be_used_is_one_line(document: dict[str, Any], text: str) -> None:
    with pytest.raises(ConditionsError) as caught:
        conditions_of(document, SCHEMA)

    assert text in str(caught.value)


@given(st.dictionaries(st.sampled_from(["rows", "defaults", "columns", "error", "x"]), ANYTHING))
def test_whatever_a_file_has_is_read_or_refused(document: dict[str, Any]) -> None:
    try:
        found = conditions_of(document, SCHEMA)
    except ConditionsError:
        return
    minimum = found.rows.limits["minimum"]
    assert minimum is None or minimum >= 0


def test_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checks.toml"
    for text, problem in (("[rows", "is not TOML"), ("[rows]\nx = 1", "rows.x: is no key here")):
        path.write_text(text)
        with pytest.raises(ConditionsError, match=problem) as caught:
            read_conditions(path, SCHEMA)
        assert str(caught.value).startswith(str(path))
    with pytest.raises(ConditionsError, match="cannot be read"):
        read_conditions(tmp_path / "none", SCHEMA)


def test_scores_by_name_are_for_columns_of_their_kind() -> None:
    found = conditions_of(
        {
            "columns": {
                "weight": {"max_psi": 0.1, "min_ks": 0.05},
                "shop": {"min_chisquare": 0.05},
            }
        },
        SCHEMA,
    )

    assert found.columns["weight"].limits == {"max_psi": 0.1, "min_ks": 0.05}
    for column, name, kind in (
        ("shop", "min_ks", "numbers"),
        ("weight", "max_tvd", "categories"),
    ):
        with pytest.raises(ConditionsError, match=f"{name}: is for {kind}; use max_drift"):
            conditions_of({"columns": {column: {name: 0.1}}}, SCHEMA)
    with pytest.raises(ConditionsError, match="give a number from 0 to 1"):
        conditions_of({"columns": {"weight": {"min_ks": 2}}}, SCHEMA)
