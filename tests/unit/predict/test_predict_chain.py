"""Rows of any schema: what a client sent is what the log has, and what the model saw."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.artifacts import Linear, linear_of, random_rows
from support.predictor import FLIGHTS, TAXI, served_artifact
from support.predictor_app import PredictorApp, predictor_app
from support.schemas import body_of, few_examples, rows, schemas

from taxi_domain.documents import record_of
from taxi_predict.serving.loaded_model import LoadedModel, loaded
from taxi_schema.features import derive
from taxi_schema.records import row_of
from taxi_schema.rows import Row
from taxi_schema.schema import Schema

EXTRA = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "undeclared": st.none() | st.booleans() | st.text("aé語", max_size=9),
        "n": st.just(1),
    },
)


def model_of(schema: Schema) -> tuple[Linear, LoadedModel]:
    """Return a model of all features, and the same as it is served."""
    linear = linear_of(schema, random_rows(schema, 20))
    return linear, loaded(served_artifact(schema, linear.graph(schema)))


def body(schema: Schema, row: Row, extra: dict[str, Any] | None) -> dict[str, Any]:
    # A name that is declared is no extra one.
    declared = body_of(schema, row)
    names = {schema.id, *(column.name for column in schema.columns)}
    return {name: value for name, value in (extra or {}).items() if name not in names} | declared


def require_logged(app: PredictorApp, schema: Schema, sent: list[tuple[Row, Any]]) -> None:
    """Require that the log has rows as they were answered, and each answer is the model's."""
    documents = {document["_id"]: document for document in app.delivered()}
    assert len(documents) == len({answer[schema.id] for _, answer in sent})
    for row, answer in sent:
        record = record_of(documents[answer[schema.id]])
        kept, problems = row_of(schema, record.inputs, record.event_time)
        assert (kept.values, problems) == (row.values, {})
        assert kept.event_time == _in_milliseconds(row)
        assert record.prediction == answer[schema.target.name]


def _in_milliseconds(row: Row) -> Any:
    moment = row.event_time
    return moment and moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@few_examples
@given(st.data())
def test_a_row_comes_back_from_the_log_as_it_was_sent(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    linear, model = model_of(schema)
    single = data.draw(rows(schema))._replace(id="single")
    others = [data.draw(rows(schema))._replace(id=f"r{number}") for number in range(3)]
    extra = data.draw(EXTRA)
    with tempfile.TemporaryDirectory() as folder:
        app = predictor_app(Path(folder), model)
        answer = app.client.post("/predict", json=body(schema, single, extra))
        batch = app.client.post(
            "/predict/batch", json={"rows": [body(schema, row, extra) for row in others]}
        )

        assert (answer.status_code, batch.status_code) == (200, 200), answer.get_json()
        answers = [answer.get_json(), *batch.get_json()]
        features = list(map(derive(schema), [single, *others]))
        assert [found[schema.target.name] for found in answers] == pytest.approx(
            [linear.answer(schema, row) for row in features], rel=1e-4, abs=1e-2
        )
        require_logged(app, schema, list(zip([single, *others], answers, strict=True)))


@few_examples
@given(schemas())
def test_one_row_is_answered_as_it_is_among_others(schema: Schema) -> None:
    _, model = model_of(schema)
    table = [model.features(row) for row in random_rows(schema, 8, seed=2)]

    assert [model.graph.predict([row])[0] for row in table] == model.graph.predict(table)


@settings(max_examples=10)
@given(schemas())
def test_the_openapi_document_follows_the_schema(schema: Schema) -> None:
    _, model = model_of(schema)
    with tempfile.TemporaryDirectory() as folder:
        app = predictor_app(Path(folder), model)
        document = app.client.get("/openapi.json").get_json()
        served = app.client.get("/v1/model").get_json()

    parts = document["components"]["schemas"]
    assert parts["Row"] == json.loads(json.dumps(model.parser.json_schema()))
    assert list(parts["Answer"]["properties"]) == [schema.id, schema.target.name, "model_version"]
    assert parts["Answer"]["required"] == [schema.id, schema.target.name, "model_version"]
    assert (served["target"], served["unit"], served["schema_sha256"]) == (
        schema.target.name, schema.target.unit, schema.digest,
    )  # fmt: skip


def test_without_a_model_nothing_is_known_but_that_it_lives(tmp_path: Path) -> None:
    app = predictor_app(tmp_path, None)

    clients = {"/readyz": app.probes, "/openapi.json": app.client, "/v1/model": app.client}
    for path, client in clients.items():
        answer = client.get(path)
        assert (answer.status_code, answer.get_json()["detail"][:12]) == (503, "no model yet"), path
    assert app.probes.get("/healthz").status_code == 200
    assert app.post("/predict", {"a": 1}) == 503


@pytest.mark.parametrize("schema", [TAXI, FLIGHTS])
def test_undeclared_fields_are_in_the_log_and_not_in_the_model(
    tmp_path: Path, schema: Schema
) -> None:
    _, model = model_of(schema)
    app = predictor_app(tmp_path, model)
    row = random_rows(schema, 1)[0]
    extra = {"vendor": "é", "fare": 3.5, "flag": None, "n": 2**40, "_x": True}

    answers = [
        app.client.post("/predict", json=body_of(schema, row) | {schema.id: key} | more).get_json()
        for key, more in (("plain", {}), ("extra", extra))
    ]

    assert answers[0][schema.target.name] == answers[1][schema.target.name]
    plain, with_extra = app.delivered()
    assert "extra" not in plain
    assert with_extra["extra"] == extra
    assert plain["inputs"] == with_extra["inputs"]
