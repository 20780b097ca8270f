"""Each ride that is asked is counted once: as answered, refused or failed, whatever the door."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.predictor import PLAIN, small_artifact
from support.predictor_app import BATCH_MAX_ROWS, JSON, PredictorApp, predictor_app, values_of
from support.waiting import wait_for

from taxi_domain.metrics import (
    PREDICTOR_EXTRA_DROPPED,
    PREDICTOR_FAILED,
    PREDICTOR_PREDICTED_VALUE,
    PREDICTOR_PREDICTIONS,
    PREDICTOR_REFUSED,
)
from taxi_predict.http.fast_path import ROUTE
from taxi_predict.serving.loaded_model import OTHER, loaded
from taxi_predict.spool.writer import SpoolFullError, SpoolWriter


class FullSpool(SpoolWriter):
    """A spool without room."""

    def append(self, payloads: list[bytes]) -> None:
        raise SpoolFullError("spool: is full; wait")


class BrokenGraph:
    """A graph that cannot answer."""

    def predict(self, rows: object) -> list[float]:
        raise RuntimeError("the graph is broken")


STATES = ("well", "no model", "spool full", "graph broken")


def door(folder: Path, state: str = "well") -> PredictorApp:
    model = loaded(small_artifact())
    if state == "graph broken":
        broken: Any = BrokenGraph()
        model = replace(model, graph=broken)
    spool = FullSpool(folder / "spool", 65536) if state == "spool full" else None
    return predictor_app(folder, None if state == "no model" else model, spool)


@pytest.fixture(scope="module", params=STATES)
def any_door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> PredictorApp:
    return door(tmp_path_factory.mktemp("door"), request.param)


@pytest.fixture
def well(tmp_path: Path) -> PredictorApp:
    return door(tmp_path)


ROWS = st.sampled_from(
    [
        PLAIN,
        {**PLAIN, "ride_id": "one"},
        {**PLAIN, "fare_amount": 3},
        {"PULocationID": 1, "DOLocationID": 2},
        {**PLAIN, "trip_distance": -1},
        {**PLAIN, "nested": {}},
        [PLAIN],
        None,
        "ride",
    ]
)
SINGLE = st.tuples(st.just("/predict"), ROWS, st.just(1))
BATCH = st.lists(ROWS, min_size=1, max_size=BATCH_MAX_ROWS + 2).flatmap(
    lambda rows: st.sampled_from(
        [("/predict/batch", rows, len(rows)), ("/predict/batch", {"rows": rows}, len(rows))]
    )
)
UNTOLD = st.tuples(
    st.sampled_from(["/predict", "/predict/batch"]),
    st.sampled_from([b"{", b"", b"[]", b"7", b" " * 200_000, b"[" * 50_000, b'"\xff"', b"{}"]),
    st.just(1),
)
NOT_ROWS = st.tuples(st.sampled_from(["/v1/model", "/nowhere"]), st.just(PLAIN), st.just(0))
REQUESTS = st.lists(
    st.tuples(
        st.one_of(SINGLE, BATCH, UNTOLD, NOT_ROWS),
        st.sampled_from([JSON, f"{JSON}; charset=utf-8", "text/plain", ""]),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(requests=REQUESTS)
def test_answered_refused_and_failed_are_all_that_were_asked(
    any_door: PredictorApp, requests: list[tuple[tuple[str, object, int], str]]
) -> None:
    before = sum(any_door.counts().values())
    asked = 0
    for (path, body, rows), content_type in requests:
        any_door.post(path, body, content_type)
        # What is not read as JSON is one request with rows that nobody can count.
        asked += rows if content_type.startswith(JSON) else min(rows, 1)

    assert sum(any_door.counts().values()) - before == asked


@pytest.mark.parametrize(
    ("state", "status", "counts"),
    [
        ("well", 200, {"answered": 2, "trip_distance": 1}),
        ("no model", 503, {"answered": 0, "no_model": 3}),
        ("spool full", 503, {"answered": 0, "trip_distance": 1, "spool_full": 2}),
        ("graph broken", 500, {"answered": 0, "trip_distance": 1, "error": 2}),
    ],
)
def test_a_batch_that_fails_counts_all_of_its_rows(
    tmp_path: Path, state: str, status: int, counts: dict[str, float]
) -> None:
    app = door(tmp_path, state)

    assert app.post("/predict/batch", [PLAIN, {**PLAIN, "trip_distance": -1}, PLAIN]) == status

    assert app.counts() == counts


def test_a_batch_of_too_many_counts_all_of_its_rows(well: PredictorApp) -> None:
    assert well.post("/predict/batch", [PLAIN] * (BATCH_MAX_ROWS + 1)) == 413

    assert well.counts() == {"answered": 0, "too_large": BATCH_MAX_ROWS + 1}


@pytest.mark.parametrize("content_type", [JSON, f"{JSON}; charset=utf-8"])
def test_undeclared_fields_are_counted_once_a_row_whichever_the_way(
    well: PredictorApp, content_type: str
) -> None:
    wrong_time = {**PLAIN, "tpep_pickup_datetime": "2021-01-31 08:15:00", "ride_id": None}
    no_distance = {"PULocationID": 1, "DOLocationID": 2, "distance": 3.0}

    assert well.post("/predict", wrong_time, content_type) == 200
    assert well.post("/predict", no_distance, content_type) == 422
    assert well.post("/predict/batch", [wrong_time, PLAIN, no_distance], content_type) == 200

    assert well.undeclared() == {"tpep_pickup_datetime": 2, "distance": 2}


def test_rows_whose_extra_fields_are_not_all_logged_are_counted_by_reason(
    well: PredictorApp,
) -> None:
    large = {**PLAIN, "a": "x" * 2000, "b": "y" * 2000, "$set": 1}

    assert well.post("/predict", large) == 200
    assert well.post("/predict/batch", [large, {**PLAIN, "kept": 1}]) == 200
    well.buffered.flush()

    assert values_of(well.metrics[PREDICTOR_EXTRA_DROPPED]) == {
        ("name",): 2, ("value",): 0, ("too_many",): 0, ("too_large",): 2,
    }  # fmt: skip
    assert well.counts()["answered"] == 3


def test_reasons_of_refusals_are_there_at_zero_when_a_model_is_loaded(well: PredictorApp) -> None:
    reasons = {reason for (reason,) in values_of(well.metrics[PREDICTOR_REFUSED])}

    assert {*PLAIN, "ride_id", "lpep_pickup_datetime", "other", "body"} <= reasons
    assert well.post("/predict", {**PLAIN, "ride_id": "no id"}) == 422
    assert well.post("/predict", {**PLAIN, "nested": {}}) == 422
    assert well.counts() == {"answered": 0, "ride_id": 1, "other": 1}


def test_answers_are_in_the_buckets_of_the_model(well: PredictorApp) -> None:
    assert well.post("/predict", PLAIN) == 200
    well.buffered.flush()

    (family,) = well.metrics[PREDICTOR_PREDICTED_VALUE].collect()
    buckets = {
        sample.labels["le"]: sample.value for sample in family.samples if "le" in sample.labels
    }
    assert list(buckets) == ["1.0", "2.5", "5.0", "10.0", "15.0", "20.0", "30.0", "60.0", "+Inf"]
    assert (buckets["10.0"], buckets["15.0"]) == (0, 1)


@pytest.mark.parametrize(
    "optional",
    [
        {},
        {"ride_id": "one"},
        {"lpep_pickup_datetime": "2021-01-31T08:15:00", "ride_id": "one"},
        {"lpep_pickup_datetime": "2021-01-31T08:15:00", "ride_id": None},
        {"lpep_pickup_datetime": None},
    ],
)
def test_declared_fields_are_not_counted(well: PredictorApp, optional: dict[str, object]) -> None:
    assert well.post("/predict", {**PLAIN, **optional}) == 200

    assert well.undeclared() == {}


def test_counting_goes_on_after_counts_could_not_be_written(
    well: PredictorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()
    flush = well.buffered.flush

    def full_disk() -> None:
        if not failed.is_set():
            failed.set()
            raise OSError(28, "No space left on device")
        flush()

    monkeypatch.setattr(well.buffered, "flush", full_disk)
    well.buffered.start()
    assert failed.wait(60)

    assert well.post(ROUTE, PLAIN) == 200

    predictions = well.metrics[PREDICTOR_PREDICTIONS]
    wait_for("the count", lambda: sum(values_of(predictions).values()) == 1, 10)
    well.buffered.stop()


def test_no_field_of_a_client_counts_as_what_only_the_predictor_says(well: PredictorApp) -> None:
    own = [reason for (reason,) in PREDICTOR_REFUSED.series + PREDICTOR_FAILED.series]
    names = [name for name in own if name not in {"body", OTHER}]
    for name in names:
        assert well.post("/predict", {**PLAIN, name: []}) == 422
        assert well.post("/predict/batch", [{**PLAIN, name: {}}]) == 200

    assert well.counts() == {"answered": 0, OTHER: 2 * len(names)}


def test_a_refused_row_is_named_in_the_log_and_the_many_behind_it_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    well = door(tmp_path)
    bad = {**PLAIN, "trip_distance": "far"}
    for number in range(3):
        assert well.post("/predict", {**bad, "ride_id": f"r{number}"}) == 422
    assert well.post("/predict/batch", [PLAIN, bad]) == 200

    (line,) = (vars(one) for one in caplog.records if one.name == "taxi_runtime.refused_lines")
    assert (line["row_id"], line["field"]) == ("r0", "trip_distance")
    assert "far" not in str(line)
