"""Labelled rows come back from their archive."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.schemas import rows, schemas

from taxi_schema.columns.arrays import columns_of
from taxi_schema.columns.rows import LabelledRows, from_bytes, joined, to_bytes
from taxi_schema.reading import read_schema

TAXI = read_schema(Path(__file__).parents[3] / "models" / "taxi_duration" / "schema.toml")


def equal(first: LabelledRows, second: LabelledRows) -> bool:
    pairs = [(first.columns[name], second.columns[name]) for name in first.columns]
    pairs += [(first.target, second.target), (first.prediction, second.prediction)]
    pairs += [(first.event_times, second.event_times)]
    return list(first.columns) == list(second.columns) and all(
        list(map(repr, one.tolist())) == list(map(repr, other.tolist())) for one, other in pairs
    )


@given(st.data())
def test_rows_come_back(data: Any) -> None:
    schema = data.draw(schemas())
    some = data.draw(st.lists(rows(schema), min_size=1, max_size=8))
    columns, times = columns_of(schema, some)
    count = len(some)
    labelled = LabelledRows(
        columns, times, np.linspace(-5, 5, count), np.linspace(1, 2, count), np.full(count, np.nan)
    )

    archive = to_bytes(labelled)

    assert equal(from_bytes(schema, archive), labelled)
    assert to_bytes(labelled) == archive
    assert equal(joined([labelled[:1], labelled[1:]]), labelled)


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + bytes(18), b"x" * 100])
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"reference|pickle|data"):
        from_bytes(TAXI, data)
