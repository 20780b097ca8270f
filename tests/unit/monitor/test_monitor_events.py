"""Events of inference loggers become records: shapes as KServe sends them, and bad ones refused."""

import base64
import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.schemas import ANYTHING, few_examples
from support.taxi_columns import DISTANCE, DROPOFF, EVENT_TIME, PICKUP, SCHEMA

from taxi_domain.errors import FieldError
from taxi_monitor.events import pairs
from taxi_monitor.events.cloudevents import MAX_DATA_BYTES, Event, binary, structured
from taxi_monitor.events.pairs import Versions
from taxi_monitor.events.protocols import answers_of, check_body, rows_of
from taxi_schema.reading import schema_of
from taxi_schema.schema import Schema
from taxi_store.log.pending import Half, Pair

NOW = datetime(2023, 4, 5, 8, tzinfo=UTC)
VERSIONS = Versions("champion-1", "fallback-1", frozenset({"fallback-1", "rejected-1"}))
IRIS = schema_of(
    {
        "target": {"name": "species"},
        "columns": [
            {"name": name, "kind": "number", "minimum": 0, "maximum": 10}
            for name in ("sepal_length", "sepal_width", "petal_length", "petal_width")
        ],
    }
)

#: What KServe's logger sends for an inference: headers and body. Ids, times and bodies are those of
#: the expected output in its documentation (kserve/website,
#: docs/model-serving/predictive-inference/logger/basic-logger.md), the names of the headers those
#: that the Go SDK makes of pkg/logger/worker.go's attributes. `Ce-Component`, `Ce-Metadata` and the
#: form's content type are of an event that a Knative broker delivered.
REQUEST = (
    {
        "Ce-Id": "e58f1edd-43bc-42f6-a10a-d1adb5cab831", "Ce-Specversion": "1.0",
        "Ce-Type": "org.kubeflow.serving.inference.request", "Ce-Source": "http://localhost:9081/",
        "Ce-Time": "2023-04-05T07:39:53.501752983Z", "Ce-Inferenceservicename": "sklearn-iris",
        "Ce-Namespace": "default", "Ce-Component": "predictor", "Ce-Endpoint": "",
        "Ce-Metadata": "{}", "Ce-Knativearrivaltime": "2023-04-05T07:39:53.504099918Z",
        "Content-Type": "application/x-www-form-urlencoded",
    },
    b'{"instances": [[6.8,  2.8,  4.8,  1.4],[6.0,  3.4,  4.5,  1.6]]}',
)  # fmt: skip
RESPONSE = (
    {
        **REQUEST[0], "Ce-Type": "org.kubeflow.serving.inference.response",
        "Ce-Time": "2023-04-05T07:39:53.505997782Z", "Content-Type": "application/json",
    },
    b'{"predictions":[1,1]}',
)  # fmt: skip
#: Bodies of protocol 2, of KServe's documentation for scikit-learn (docs/modelserving/v1beta1/
#: sklearn/v2 of kserve/website).
V2_REQUEST = {
    "inputs": [
        {
            "name": "input-0", "shape": [2, 4], "datatype": "FP32",
            "data": [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]],
        }
    ]
}  # fmt: skip
V2_RESPONSE = {
    "id": "823248cc-d770-4a51-9606-16803395569c", "model_name": "sklearn-v2-iris",
    "model_version": "v1.0.0",
    "outputs": [{"data": [1, 1], "datatype": "INT64", "name": "predict", "shape": [2]}],
}  # fmt: skip


def event_of(sent: tuple[dict[str, str], bytes]) -> Event:
    headers, body = sent
    attributes = {
        name.removeprefix("Ce-").lower(): value
        for name, value in headers.items()
        if name.startswith("Ce-")
    }
    return binary(attributes, body)


def pair_of(request: Event, response: Event) -> Pair:
    sides = [pairs.side_of(one) for one in (request, response)]
    return Pair(request.id, *(side.content for side in sides))


def records(pair: Pair, schema: Schema = IRIS) -> list[Any]:
    """Return what the log would get."""
    found = pairs.read(pair, schema)
    version = pairs.version_of(found, VERSIONS)
    common = {"model_version": version, "model_role": VERSIONS.role_of(version)}
    return pairs.items_of(found, schema, common, NOW)


def bodies(request: object, response: object, **attributes: Any) -> Pair:
    """Return a pair of these bodies."""
    common = {"time": None, "version": "", "endpoint": "", **attributes}
    return Pair(
        "inference-1", {**common, "data": json.dumps(request).encode()},
        {**common, "data": json.dumps(response).encode()},
    )  # fmt: skip


def test_a_recorded_inference_becomes_its_rows() -> None:
    first, second = records(pair_of(event_of(REQUEST), event_of(RESPONSE)))

    assert first == {
        "_id": "e58f1edd-43bc-42f6-a10a-d1adb5cab831-0", "event_time": None,
        "ts": "2023-04-05T07:39:53.505997+00:00", "model_version": "champion-1",
        "model_role": "champion", "prediction": 1, "extra": {},
        "inputs": {"sepal_length": 6.8, "sepal_width": 2.8, "petal_length": 4.8,
                   "petal_width": 1.4},
    }  # fmt: skip
    assert second["_id"].endswith("-1")
    assert second["inputs"]["petal_width"] == 1.6


@pytest.mark.parametrize("form", ["json", "text", "base64"])
def test_structured_events_say_the_same_as_binary_ones(form: str) -> None:
    headers, body = REQUEST
    attributes = {name[3:].lower(): one for name, one in headers.items() if name[:3] == "Ce-"}
    data: dict[str, object] = {
        "json": {"data": json.loads(body)}, "text": {"data": body.decode()},
        "base64": {"data_base64": base64.b64encode(body).decode()},
    }[form]  # fmt: skip

    event = structured(json.dumps({**attributes, **data}).encode())

    assert json.loads(event.data) == json.loads(body)
    assert (event.id, event.half, event.time, event.service) == (
        headers["Ce-Id"], Half.REQUEST, datetime(2023, 4, 5, 7, 39, 53, 501752, UTC),
        "sklearn-iris",
    )  # fmt: skip


def test_protocol_2_is_read_by_the_order_of_columns() -> None:
    first, second = records(bodies(V2_REQUEST, V2_RESPONSE))

    assert list(first["inputs"].values()) == [6.8, 2.8, 4.8, 1.4]
    assert [first["prediction"], second["prediction"]] == [1, 1]
    assert first["model_version"] == "champion-1"  # v1.0.0 is none of the registry


def tensor(name: str, values: list[Any], shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(values)], "datatype": "FP64", "data": values}


def test_tensors_by_name_bring_ids_times_and_undeclared_fields() -> None:
    request = {
        "inputs": [
            tensor(PICKUP, [74.0, 75.0], [2, 1]), tensor(DROPOFF, [166, 41]),
            tensor(DISTANCE, [1.5, None]), tensor("ride_id", ["a-1", "a-2"]),
            tensor(EVENT_TIME, ["2021-01-01T08:00:00", "2021-01-01T13:00:00Z"]),
            tensor("vendor", ["x", "y"]),
        ]
    }  # fmt: skip
    response = {
        "model_version": "fallback-1",
        "outputs": [tensor("other", [1, 2]), tensor("duration", [5, 6])],
    }

    first, second = records(bodies(request, response), SCHEMA)

    assert first == {
        "_id": "a-1", "event_time": "2021-01-01T08:00:00", "prediction": 5,
        "inputs": {PICKUP: 74, DROPOFF: 166, DISTANCE: 1.5}, "extra": {"vendor": "x"},
        "ts": NOW.isoformat(), "model_version": "fallback-1", "model_role": "fallback",
    }  # fmt: skip
    assert type(first["inputs"][PICKUP]) is int
    assert second["event_time"] == "2021-01-01T08:00:00"  # New York's time
    assert second["inputs"][DISTANCE] is None


def test_one_row_has_the_events_id_and_answers_come_in_many_forms() -> None:
    row = {PICKUP: 74, DROPOFF: 75, DISTANCE: 2}
    for prediction in (7.5, [7.5], {"duration": 7.5}, {"minutes": 7.5}):
        (record,) = records(bodies({"instances": [row]}, {"predictions": [prediction]}), SCHEMA)
        assert (record["_id"], record["prediction"]) == ("inference-1", 7.5)


def test_the_version_is_what_is_said_last_the_champions() -> None:
    response = {**V2_RESPONSE, "model_version": "fallback-1"}

    def version(**attributes: Any) -> tuple[str, str]:
        (first, _) = records(bodies(V2_REQUEST, response, **attributes))
        return first["model_version"], first["model_role"]

    assert version() == ("fallback-1", "fallback")
    assert version(endpoint="canary") == ("fallback-1", "fallback")
    assert version(version="champion-1") == ("champion-1", "champion")
    with pytest.raises(FieldError, match="endpoint: canary has no version of the registry"):
        records(bodies(V2_REQUEST, V2_RESPONSE, endpoint="canary"))


@pytest.mark.parametrize("endpoint", ["", "canary"])
@pytest.mark.parametrize("said_by", ["event", "body"])
def test_a_version_without_a_role_is_refused(endpoint: str, said_by: str) -> None:
    """Training and reports choose records by their role: it would be the champion's for good."""
    said = "rejected-1"
    response = {**V2_RESPONSE, "model_version": said if said_by == "body" else ""}

    with pytest.raises(FieldError, match="rejected-1 is neither the champion nor") as caught:
        records(
            bodies(
                V2_REQUEST, response, endpoint=endpoint, version=said if said_by == "event" else ""
            )
        )

    assert caught.value.field == "modelversion"


@pytest.mark.parametrize(
    ("champion", "fallback", "role"), [("a", "a", "champion"), ("a", None, "champion"),
    ("b", "a", "fallback")],
)  # fmt: skip
def test_a_role_is_that_of_the_alias(champion: str, fallback: str | None, role: str) -> None:
    assert Versions(champion, fallback, frozenset()).role_of("a") == role


@pytest.mark.parametrize(
    ("request_body", "response_body", "problem"),
    [
        ({"instances": [[1, 2]]}, {"predictions": [1]}, "instances: has 2 values a row"),
        ({"instances": [[1, 2, 3, 4]]}, {"predictions": [1, 2]}, "predictions: are 2 for 1 rows"),
        ({"rows": []}, {"predictions": []}, "data: has no instances or inputs"),
        (V2_REQUEST, {"error": "x"}, "data: has no predictions or outputs"),
        ({"inputs": [7]}, V2_RESPONSE, "inputs: has a tensor without a name"),
        ({"inputs": [{"name": "x", "shape": [1]}]}, V2_RESPONSE, "inputs.x: has no data"),
        ({"inputs": [{"name": "x", "data": [1]}]}, V2_RESPONSE, "inputs.x: has no shape"),
        ({"inputs": [tensor("x", [1], [-1])]}, V2_RESPONSE, "inputs.x: has no shape"),
        ({"inputs": [tensor("x", [1], [2**40])]}, V2_RESPONSE, "inputs.x: has no shape"),
        ({"inputs": [tensor("x", [1], [9, 9])]}, V2_RESPONSE, "inputs.x: has 1 values"),
        ({"inputs": [tensor("x", [], [2**31, 0])]}, V2_RESPONSE, "inputs: are 2147483648 rows"),
        ({"inputs": [tensor("x", [1, 2]), tensor("y", [1])]}, V2_RESPONSE, "inputs: have diff"),
        (V2_REQUEST, {"outputs": [tensor("p", [1, 2, 3, 4], [2, 2])]}, "outputs.p: has 2 values"),
    ],
)
def test_bodies_that_cannot_be_read_are_refused_by_field(
    request_body: object, response_body: object, problem: str
) -> None:
    with pytest.raises(FieldError, match=problem.replace("(", r"\(")):
        records(bodies(request_body, response_body))


def test_a_row_that_cannot_be_a_record_fails_none_of_the_others() -> None:
    good = {PICKUP: 74, DROPOFF: 75, DISTANCE: 2}
    request = {"instances": [good, {**good, "ride_id": "a b"}, {**good, EVENT_TIME: "noon"}]}

    first, second, third = records(bodies(request, {"predictions": [1, 2, 3]}), SCHEMA)

    assert first["prediction"] == 1
    assert [str(second.field), str(third.field)] == ["ride_id", EVENT_TIME]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"Ce-Id": None}, "event"), ({"Ce-Id": ""}, "id"), ({"Ce-Id": "x" * 129}, "id"),
        ({"Ce-Specversion": "0.2"}, "specversion"), ({"Ce-Time": "noon"}, "time"),
        ({"Ce-Time": "2023-04-05T07:39:53"}, "time"), ({"Ce-Source": None}, "event"),
        ({"Ce-Time": "0001-01-01T00:00:00+14:00"}, "time"), ({"Ce-Time": "0001-06-01T00Z"}, "time"),
        ({"Ce-Time": "9999-12-31T23:59:59-12:00"}, "time"), ({"Ce-Time": "9999-06-01T00Z"}, "time"),
        ({"Ce-Modelversion": "x" * 257}, "modelversion"), ({"Ce-Endpoint": "x" * 257}, "endpoint"),
    ],
)  # fmt: skip
def test_attributes_that_cannot_be_used_are_named(
    changed: dict[str, str | None], field: str
) -> None:
    headers, body = REQUEST
    kept = {name: value for name, value in {**headers, **changed}.items() if value is not None}
    with pytest.raises(FieldError) as caught:
        event_of((kept, body))
    assert caught.value.field == field


@pytest.mark.parametrize("text", [b'"\xff"', b'"\\q"', b'"\\ud800"'])
def test_texts_that_cannot_be_read_are_refused(text: bytes) -> None:
    """One of them in a batch would fail all the others."""
    attributes = {"specversion": "1.0", "id": "a", "source": "x",
                  "type": "org.kubeflow.serving.inference.request"}  # fmt: skip
    with pytest.raises(FieldError):
        structured(json.dumps(attributes).encode()[:-1] + b',"data":' + text + b"}")


def test_times_are_those_of_utc() -> None:
    event = event_of(({**REQUEST[0], "Ce-Time": "2023-04-05T09:00:00+02:00"}, REQUEST[1]))
    assert event.time == datetime(2023, 4, 5, 7, tzinfo=UTC)
    assert event.time.tzinfo is UTC


def test_large_bodies_and_those_of_no_inference_are_refused_before_they_wait() -> None:
    with pytest.raises(FieldError, match="data: is larger than"):
        event_of((REQUEST[0], b" " * (MAX_DATA_BYTES + 1)))
    for body in (b"", b"{", b"[]", b"{}", b'{"instances":7}', b'{"instances":[]}',
                 b'{"instances":[' + b"0," * 10_000 + b"0]}", b"[" * 100_000):  # fmt: skip
        with pytest.raises(FieldError, match=r"^data: "):
            check_body(body, "instances", "inputs")
    check_body(REQUEST[1], "instances", "inputs")


@few_examples
@given(body=ANYTHING, lists=st.lists(ANYTHING, max_size=3))
def test_whatever_is_sent_is_read_or_refused(body: object, lists: list[object]) -> None:
    for name in ("instances", "inputs", "predictions", "outputs"):
        data = json.dumps({name: lists, "x": body}).encode()
        for read in (lambda one: rows_of(one, SCHEMA), lambda one: answers_of(one, "duration")):
            with contextlib.suppress(FieldError):
                read(data)
