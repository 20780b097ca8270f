"""Rows of the log by several schemas: columns of each piece, in the order of time."""

import weakref
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from taxi_domain.records import PredictionRecord
from taxi_schema.reading import schema_of
from taxi_store.log.labelled import LabelledRow
from taxi_train.data.views import views_of

COLUMN = {"name": "x", "kind": "number"}
SCHEMA = schema_of({"target": {"name": "y"}, "columns": [COLUMN]})
WIDER = schema_of({
    "target": {"name": "y"},
    "columns": [COLUMN, {"name": "z", "kind": "category", "nullable": True}],
})  # fmt: skip
NOW = datetime(2021, 1, 1, tzinfo=UTC)


class Piece(list[LabelledRow]):
    """A piece whose end is seen."""


def row(number: int) -> LabelledRow:
    record = PredictionRecord(
        f"r{number}", NOW + timedelta(seconds=number), None, "m", "v", "champion",
        {"x": float(number)}, 1.0, extra={"z": "a"},
    )  # fmt: skip
    return LabelledRow(record, number / 2)


def test_records_are_dropped_piece_by_piece() -> None:
    pieces: list[weakref.ref[Piece]] = []

    def newest_first() -> Iterator[Piece]:
        for first in (6, 3, 0):
            # The reader may still hold the last one.
            assert all(piece() is None for piece in pieces[:-1])
            piece = Piece(map(row, range(first, first + 3)))
            pieces.append(weakref.ref(piece))
            yield piece

    views = views_of([SCHEMA, WIDER, SCHEMA], newest_first())

    assert len(pieces) == 3
    for schema in (SCHEMA, WIDER):
        rows = views.of(schema)
        assert rows.columns["x"].tolist() == [float(number) for number in range(9)]
        assert rows.target.tolist() == [number / 2 for number in range(9)]
        assert rows.answered[0] == NOW.timestamp()
    assert views.of(WIDER).columns["z"].tolist() == ["a"] * 9


def test_a_log_without_rows_has_empty_columns() -> None:
    assert len(views_of([SCHEMA], iter(())).of(SCHEMA)) == 0
