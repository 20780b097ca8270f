"""The prediction record survives each way that it travels."""

import json
from datetime import UTC, datetime

import pytest

from taxi_domain.documents import record_of, stored_label_of
from taxi_domain.errors import FieldError
from taxi_domain.records import Label, PredictionRecord, Shadow

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EVENT = datetime(2021, 2, 3, 4, 5, 6)  # noqa: DTZ001 - local


def a_record(**parts: object) -> PredictionRecord:
    record = PredictionRecord(
        row_id="r1",
        ts=NOW,
        event_time=EVENT,
        model="delay",
        model_version="abcdefabcdef",
        model_role="champion",
        inputs={"carrier": "UA", "distance": 1.5, "gate": 7, "late": True, "unknown": None},
        prediction=-12.25,
        extra={"app": "1.2"},
        shadow=(Shadow("0123456789ab", 11.0),),
    )
    return record._replace(**parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("parts", [{}, {"event_time": None}, {"extra": {}}, {"shadow": ()}])
def test_record_comes_back_from_its_document(parts: dict[str, object]) -> None:
    record = a_record(**parts)

    assert record_of(record.to_document()) == record


def test_record_comes_back_from_json() -> None:
    document = a_record().to_document()

    back = record_of(json.loads(json.dumps(document, default=lambda moment: moment.isoformat())))

    assert back.to_document() == document


def test_a_record_without_extra_fields_has_none() -> None:
    assert "extra" not in a_record(extra={}).to_document()


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("_id", "a b", "_id"),
        ("_id", 7, "_id"),
        ("ts", None, "ts"),
        ("ts", "soon", "ts"),
        ("prediction", "12", "prediction"),
        ("prediction", float("nan"), "prediction"),
        ("prediction", 10**400, "prediction"),
        ("ts", "0001-01-01T00:00:00+14:00", "ts"),
        ("ts", "9999-12-31T23:59:59-14:00", "ts"),
        ("model_version", "", "model_version"),
        ("inputs", None, "inputs"),
        ("inputs", [1], "inputs"),
        ("extra", [1], "extra"),
        ("shadow", [1], "shadow"),
        ("shadow", [{"model_version": "a"}], "shadow.prediction"),
    ],
)
def test_damaged_document_names_the_field(path: str, value: object, field: str) -> None:
    document = a_record().to_document()
    document[path] = value

    with pytest.raises(FieldError) as refusal:
        record_of(document)

    assert refusal.value.field == field


@pytest.mark.parametrize("value", ["soon", 7, [1], datetime(2021, 2, 3, 4, 5, 6, tzinfo=UTC)])
def test_an_event_time_that_cannot_be_read_is_missing_and_a_zone_is_dropped(value: object) -> None:
    document = a_record().to_document()
    document["event_time"] = value

    expected = EVENT if isinstance(value, datetime) else None
    assert record_of(document).event_time == expected


def test_nested_inputs_of_a_foreign_record_are_left_out() -> None:
    document = a_record().to_document()
    document["inputs"] = {"distance": 1.5, "places": {"from": 1}, "tags": [1]}

    assert record_of(document).inputs == {"distance": 1.5}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"_id": "r1", "value": 3.0}, "ts"),
        ({"_id": "r1", "ts": NOW}, "value"),
        ({"_id": "r1", "ts": NOW, "value": float("inf")}, "value"),
        ({"_id": 7, "ts": NOW, "value": 3.0}, "_id"),
    ],
)
def test_damaged_stored_label_names_the_field(document: dict[str, object], field: str) -> None:
    with pytest.raises(FieldError) as refusal:
        stored_label_of(document)

    assert refusal.value.field == field


def test_a_stored_label_comes_back() -> None:
    document = {"_id": "r1", "ts": NOW, "value": 3.0, "stored_at": NOW}

    assert stored_label_of(document) == Label("r1", 3.0, NOW)
