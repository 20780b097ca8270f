"""Ids of rows: what is none, and which came before."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_files.ids import DoubledIds, ids_of
from taxi_files.reading import DataFileError

PATH = Path("rows.parquet")


def test_texts_and_integers_are_ids_and_others_are_none() -> None:
    assert ids_of(pa.table({"id": ["a", None, "x" * 10_000]}), "id", PATH) == ["a", None, None]
    assert ids_of(pa.table({"id": [7, None]}), "id", PATH) == ["7", None]
    assert ids_of(pa.table({"other": [1, 2]}), "id", PATH) == [None, None]


def test_numbers_with_a_fraction_are_no_ids() -> None:
    with pytest.raises(DataFileError, match="id is double; give ids that are texts or integers"):
        ids_of(pa.table({"id": [1.5]}), "id", PATH)


@given(st.lists(st.lists(st.one_of(st.none(), st.sampled_from("abcdefgh")), max_size=12)))
def test_each_id_that_came_before_is_told_wherever_it_was(pieces: list[list[str | None]]) -> None:
    doubled, known, expected = DoubledIds(), set[str](), 0

    for ids in pieces:
        wanted = []
        for row_id in ids:
            wanted.append(row_id is not None and row_id in known)
            known |= set() if row_id is None else {row_id}
        expected += sum(wanted)
        assert doubled.add(ids).tolist() == wanted

    assert doubled.count == expected
    assert len(doubled.examples) == min(expected, 3)
