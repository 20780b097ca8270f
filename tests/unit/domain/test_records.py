"""The prediction record survives each way that it travels."""

import json
from datetime import UTC, datetime

import pytest

from taxi_domain.documents import record_of, stored_label_of
from taxi_domain.errors import FieldError
from taxi_domain.features import features_of
from taxi_domain.records import Label, PredictionRecord, Shadow, label_of
from taxi_domain.rides import RideFields

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

parse = RideFields().parse


def a_record(**ride: object) -> PredictionRecord:
    parsed = parse({"PULocationID": 7, "DOLocationID": 9, "trip_distance": 1.5, **ride})
    return PredictionRecord(
        ride_id="r1",
        ts=NOW,
        model="taxi-duration",
        model_version="abcdefabcdef",
        model_role="champion",
        ride=parsed,
        features=features_of(parsed),
        prediction=12.25,
        shadow=(Shadow("0123456789ab", 11.0),),
    )


@pytest.mark.parametrize("pickup", [None, "2021-02-03T04:05:06"])
def test_record_comes_back_from_its_document(pickup: str | None) -> None:
    record = a_record(lpep_pickup_datetime=pickup)

    back = record_of(record.to_document())

    assert back.to_document() == record.to_document()


def test_record_comes_back_from_json() -> None:
    document = a_record(lpep_pickup_datetime="2021-02-03T04:05:06").to_document()

    back = record_of(json.loads(json.dumps(document, default=lambda moment: moment.isoformat())))

    assert back.to_document() == document


def test_missing_time_leaves_hour_and_weekday_missing() -> None:
    features = a_record().to_document()["features"]

    assert isinstance(features, dict)
    assert features["hour"] is None
    assert features["weekday"] is None


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("_id", "a b", "_id"),
        ("ts", None, "ts"),
        ("ts", "soon", "ts"),
        ("prediction", "12", "prediction"),
        ("prediction", float("nan"), "prediction"),
        ("prediction", 10**400, "prediction"),
        ("ts", "0001-01-01T00:00:00+14:00", "ts"),
        ("ts", "9999-12-31T23:59:59-14:00", "ts"),
        ("model_version", "", "model_version"),
        ("features", None, "features"),
        ("features", {"PULocationID": 1}, "features.DOLocationID"),
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


def test_label_is_minutes_of_a_ride() -> None:
    label = label_of({"ride_id": "r1", "duration": 12}, NOW)

    assert (label.ride_id, label.duration, label.ts) == ("r1", 12.0, NOW)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"_id": "r1", "duration": 3.0}, "ts"),
        ({"_id": "r1", "ts": NOW}, "duration"),
        ({"_id": "r1", "ts": NOW, "duration": float("inf")}, "duration"),
        ({"_id": 7, "ts": NOW, "duration": 3.0}, "_id"),
    ],
)
def test_damaged_stored_label_names_the_field(document: dict[str, object], field: str) -> None:
    with pytest.raises(FieldError) as refusal:
        stored_label_of(document)

    assert refusal.value.field == field


def test_a_stored_label_comes_back() -> None:
    document = {"_id": "r1", "ts": NOW, "duration": 3.0, "stored_at": NOW}

    assert stored_label_of(document) == Label("r1", 3.0, NOW)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "label"),
        ({"duration": 3}, "ride_id"),
        ({"ride_id": "r1"}, "duration"),
        ({"ride_id": "r1", "duration": "3"}, "duration"),
        ({"ride_id": "r1", "duration": -1}, "duration"),
        ({"ride_id": "r1", "duration": 1441}, "duration"),
        ({"ride_id": "r1", "duration": float("nan")}, "duration"),
    ],
)
def test_refused_label_names_the_field(body: object, field: str) -> None:
    with pytest.raises(FieldError) as refusal:
        label_of(body, NOW)

    assert refusal.value.field == field
