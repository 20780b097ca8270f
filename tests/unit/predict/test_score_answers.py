"""Rows of files are answered as requests with the same rows are."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.artifacts import linear_of, random_rows
from support.predictor import FLIGHTS, TAXI, division_artifact, served_artifact
from support.predictor_app import predictor_app
from support.schemas import body_of, few_examples, rows, schemas

from taxi_domain.errors import FieldError
from taxi_files.pieces import Piece, pieces_of
from taxi_predict.batch.scoring import Scored, Scorer, wanted
from taxi_predict.serving.loaded_model import LoadedModel, loaded
from taxi_schema.column import Column, FeatureType, Kind
from taxi_schema.columns.arrays import columns_of
from taxi_schema.columns.features import derive_columns
from taxi_schema.rows import Row
from taxi_schema.schema import Schema

MODELS = Path(__file__).parents[3] / "models"
DIGEST = "ab" * 32
TYPES = {
    FeatureType.FLOAT: pa.float64(), FeatureType.INTEGER: pa.int64(),
    FeatureType.STRING: pa.string(),
}  # fmt: skip


def model_of(schema: Schema) -> LoadedModel:
    linear = linear_of(schema, random_rows(schema, 20))
    return loaded(served_artifact(schema, linear.graph(schema)))


def table_of(schema: Schema, drawn: list[Row]) -> pa.Table:
    """Return rows as a file has them."""
    columns = {
        column.name: pa.array(
            [row.values[place] for row in drawn],
            pa.bool_() if column.kind is Kind.BOOLEAN else TYPES[column.type],
        )
        for place, column in enumerate(schema.columns)
    }
    if schema.event_time is not None:
        times = [row.event_time for row in drawn]
        columns[schema.event_time.name] = pa.array(times, pa.timestamp("us"))
    return pa.table(columns)


def scored(model: LoadedModel, table: pa.Table) -> Scored:
    return Scorer(model, needs_time=False).score(Piece(Path("a.parquet"), 0, table), DIGEST)


def refused_field(model: LoadedModel, body: dict[str, Any]) -> str | None:
    """Return the field for which a request is refused, None when it is accepted."""
    try:
        model.parse(body)
    except FieldError as error:
        return error.field
    return None


def wrong_value(column: Column) -> Any:
    """Return a value that some columns refuse, of the type of the others in its file."""
    if column.kind is Kind.BOOLEAN:
        return None
    wrong = {
        FeatureType.FLOAT: 1e300, FeatureType.INTEGER: 2**62, FeatureType.STRING: "no such value"
    }  # fmt: skip
    return wrong[column.type]


@few_examples
@given(st.data())
def test_columns_are_answered_bit_by_bit_as_rows(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    model = model_of(schema)
    drawn = data.draw(st.lists(rows(schema), min_size=2, max_size=6))

    columns, times = columns_of(schema, drawn)
    answers = model.graph.predict_columns(derive_columns(schema, columns, times))

    expected = np.array(model.graph.predict(list(map(model.features, drawn))))
    assert answers.dtype == np.float64
    assert answers.tobytes() == expected.tobytes()


@few_examples
@given(st.data())
def test_a_row_has_an_answer_exactly_if_a_request_with_it_has_one(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    model = model_of(schema)
    drawn = data.draw(st.lists(rows(schema), min_size=2, max_size=6))
    # Files have two days less of the years 1 and 9999 than requests.
    drawn = [
        row
        if row.event_time is None or 1 < row.event_time.year < 9999
        else row._replace(event_time=None)
        for row in drawn
    ]
    for place in data.draw(st.sets(st.integers(0, len(drawn) - 1))):
        index = data.draw(st.integers(0, len(schema.columns) - 1))
        values = list(drawn[place].values)
        values[index] = data.draw(st.sampled_from([None, wrong_value(schema.columns[index])]))
        drawn[place] = drawn[place]._replace(values=tuple(values))

    found = scored(model, table_of(schema, drawn))

    fields = [refused_field(model, body_of(schema, row)) for row in drawn]
    assert found.answered.tolist() == [field is None for field in fields]
    for place, field in enumerate(fields):
        texts = [text for text, mask in found.problems.items() if mask[place]]
        assert field is None or any(text.startswith(f"{field}: ") for text in texts)
    asked = [model.features(row) for row, field in zip(drawn, fields, strict=True) if field is None]
    if len(asked) > 1:
        assert found.answers[found.answered].tolist() == model.graph.predict(asked)


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        (TAXI, "taxi_duration/samples/green-2021-02-head.parquet"),
        (FLIGHTS, "flight_delay/samples/flights-2013-02.parquet"),
    ],
)
def test_real_rows_are_answered_as_by_predict(schema: Schema, file: str, tmp_path: Path) -> None:
    model = model_of(schema)
    app = predictor_app(tmp_path, model)
    table = pq.read_table(MODELS / file).slice(0, 300)
    pq.write_table(table, tmp_path / "rows.parquet")
    (piece,) = pieces_of(tmp_path / "rows.parquet", wanted(schema, (), needs_time=False))

    found = Scorer(model, needs_time=False).score(piece, DIGEST)

    names = [schema.id, *(column.name for column in schema.columns)]
    assert schema.event_time is not None
    for place, row in enumerate(table.to_pylist()):
        body = {name: row[name] for name in names if row.get(name) is not None}
        moment = row[schema.event_time.name]
        assert isinstance(moment, datetime)
        body[schema.event_time.name] = moment.isoformat()
        answer = app.client.post("/predict", json=body)
        assert found.answered[place] == (answer.status_code == 200), answer.get_json()
        if found.answered[place]:
            assert answer.get_json()[schema.target.name] == found.answers[place]
    assert found.answered.sum() > 250


def test_csv_is_answered_as_parquet(tmp_path: Path) -> None:
    for schema, file in (
        (TAXI, "taxi_duration/samples/green-2021-02-head.parquet"),
        (FLIGHTS, "flight_delay/samples/flights-2013-02.parquet"),
    ):
        model = model_of(schema)
        table = pq.read_table(MODELS / file).slice(0, 2000)
        parquet, csv = tmp_path / "rows.parquet", tmp_path / "rows.csv"
        pq.write_table(table, parquet)
        pc.write_csv(table, csv)
        columns = wanted(schema, (), needs_time=False)
        both = [
            Scorer(model, needs_time=False).score(next(pieces_of(path, columns)), DIGEST)
            for path in (parquet, csv)
        ]
        assert both[0].answers.tobytes() == both[1].answers.tobytes()
        assert {text: mask.sum() for text, mask in both[0].problems.items()} == {
            text: mask.sum() for text, mask in both[1].problems.items()
        }


def test_what_is_not_finite_is_no_answer() -> None:
    model = loaded(division_artifact())
    drawn = [
        Row((130, 205, miles), event_time=datetime(2021, 3, 1))  # noqa: DTZ001
        for miles in (0.0, 2.0)
    ]
    found = scored(model, table_of(TAXI, drawn))

    assert found.answered.tolist() == [False, True]
    assert {text: mask.tolist() for text, mask in found.problems.items()} == {
        "duration: the model has no finite answer": [True, False]
    }
