"""Models of other schemas through the real edge: serving, spool, log and shadow."""

from pathlib import Path

import httpx
import pytest
from support.artifacts import Linear, linear_of, random_rows
from support.predictor import (
    FLIGHTS,
    PLAIN,
    Predictor,
    register,
    served_artifact,
    small_artifact,
    wait_until_logged,
)
from support.schemas import body_of

from taxi_domain.documents import record_of
from taxi_domain.models import Alias
from taxi_local.mongod import Mongod
from taxi_schema.column import MAX_TEXT
from taxi_schema.features import derive
from taxi_schema.reading import schema_of
from taxi_schema.records import row_of
from taxi_schema.schema import MAX_COLUMNS
from taxi_store.connection import connect

pytestmark = pytest.mark.component

ROWS = random_rows(FLIGHTS, 50)


def flights() -> tuple[Linear, bytes]:
    linear = linear_of(FLIGHTS, ROWS)
    return linear, linear.graph(FLIGHTS)


def records(uri: str) -> dict[str, dict[str, object]]:
    with connect(uri, app_name="test") as client:
        return {record["_id"]: record for record in client["taxi"]["predictions"].find()}


def test_rows_of_strings_and_missing_values_are_answered_and_logged(
    mongod: Mongod, tmp_path: Path
) -> None:
    linear, graph = flights()
    register(mongod.uri, Alias.CHAMPION, served_artifact(FLIGHTS, graph))
    predictor = Predictor(tmp_path, mongod.uri).start()
    try:
        bodies = [body_of(FLIGHTS, row) | {"tail": "N14228"} for row in ROWS]
        single = httpx.post(f"{predictor.url}/predict", json=bodies[0], timeout=30).json()
        batch = httpx.post(
            f"{predictor.url}/predict/batch", json={"rows": bodies[1:]}, timeout=30
        ).json()
        bad = httpx.post(f"{predictor.url}/predict", json=bodies[0] | {"origin": "BOS"}, timeout=30)
        wait_until_logged(mongod.uri, len(ROWS))

        answers = [single, *batch]
        wanted = [linear.answer(FLIGHTS, row) for row in map(derive(FLIGHTS), ROWS)]
        assert [answer["arr_delay"] for answer in answers] == pytest.approx(wanted, abs=1e-3)
        assert (bad.status_code, bad.json()["field"]) == (422, "origin")
        documents = records(mongod.uri)
        for row, answer in zip(ROWS, answers, strict=True):
            record = record_of(documents[answer["flight_id"]])
            kept, problems = row_of(FLIGHTS, record.inputs, record.event_time)
            assert (kept.values, kept.event_time, problems) == (row.values, row.event_time, {})
            assert record.extra == {"tail": "N14228"}
    finally:
        predictor.stop()


def test_a_full_batch_of_the_widest_rows_is_answered_and_logged(
    mongod: Mongod, tmp_path: Path
) -> None:
    names = [f"{'column':_<61}{place:03d}" for place in range(MAX_COLUMNS)]
    wide = schema_of(
        {"target": {"name": "y"}, "columns": [{"name": name, "kind": "category"} for name in names]}
    )
    register(mongod.uri, Alias.CHAMPION, served_artifact(wide, Linear(7.0).graph(wide)))
    predictor = Predictor(tmp_path, mongod.uri).start()
    try:
        body = dict.fromkeys(names, "x" * MAX_TEXT) | {"note": "n" * 1000}
        rows = [body | {"id": f"wide-{place}"} for place in range(1000)]
        answer = httpx.post(f"{predictor.url}/predict/batch", json={"rows": rows}, timeout=30)
        assert answer.status_code == 200, answer.text
        assert len(wait_until_logged(mongod.uri, 1000)) == 1000
        assert len(records(mongod.uri)["wide-999"]["inputs"]) == MAX_COLUMNS  # type: ignore[arg-type]
    finally:
        predictor.stop()


def test_records_that_waited_for_a_new_version_keep_their_own_names(
    mongod: Mongod, tmp_path: Path
) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    predictor = Predictor(tmp_path, mongod.uri).start()
    try:
        predictor.hang_the_delivery()
        old = httpx.post(f"{predictor.url}/predict", json=PLAIN | {"ride_id": "old"}, timeout=30)
        assert old.status_code == 200
        predictor.kill()
        # The pod's copy is damaged, say, and another version is champion by now.
        (tmp_path / "data" / "model.json").unlink()
        register(mongod.uri, Alias.CHAMPION, served_artifact(FLIGHTS, flights()[1]))
        predictor.start()
        body = body_of(FLIGHTS, ROWS[0]) | {"flight_id": "new"}
        assert httpx.post(f"{predictor.url}/predict", json=body, timeout=30).status_code == 200
        wait_until_logged(mongod.uri, 2)

        documents = records(mongod.uri)
        assert documents["old"]["inputs"] == PLAIN
        assert list(documents["new"]["inputs"]) == [column.name for column in FLIGHTS.columns]  # type: ignore[call-overload]
    finally:
        predictor.stop()


def test_a_shadow_of_another_schema_answers_by_its_own(mongod: Mongod, tmp_path: Path) -> None:
    linear, graph = flights()
    champion = register(mongod.uri, Alias.CHAMPION, served_artifact(FLIGHTS, graph))
    register(mongod.uri, Alias.FALLBACK, small_artifact(5.0))
    predictor = Predictor(
        tmp_path, mongod.uri, TAXI_PREDICT_ALIAS="fallback", TAXI_PREDICT_SHADOW_ALIAS="champion"
    ).start()
    try:
        assert httpx.post(
            f"{predictor.url}/predict", json=PLAIN | {"ride_id": "r"}, timeout=30
        ).is_success
        wait_until_logged(mongod.uri, 1)

        (shadow,) = record_of(records(mongod.uri)["r"]).shadow
        seen, _ = row_of(FLIGHTS, PLAIN)  # nothing that it knows: all is missing
        assert shadow.model_version == champion
        assert shadow.prediction == pytest.approx(linear.answer(FLIGHTS, derive(FLIGHTS)(seen)))
    finally:
        predictor.stop()
