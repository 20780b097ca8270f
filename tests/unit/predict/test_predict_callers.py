"""Who asks is named in the log; who has no token is refused, and counted, by either way."""

from pathlib import Path

import pytest
from support.predictor import PLAIN, small_artifact
from support.predictor_app import JSON, PredictorApp, predictor_app

from taxi_predict.serving.loaded_model import loaded
from taxi_runtime.callers import Callers

TOKENS = {"shop": "token-of-the-shop", "billing": "token-of-billing"}
KINDS = [JSON, f"{JSON}; charset=utf-8"]


@pytest.fixture
def worker(tmp_path: Path) -> PredictorApp:
    folder = tmp_path / "callers"
    folder.mkdir()
    for name, token in TOKENS.items():
        (folder / name).write_text(token)
    return predictor_app(tmp_path, loaded(small_artifact()), callers=Callers(folder))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_log_names_who_asked(worker: PredictorApp, kind: str) -> None:
    for name, token in TOKENS.items():
        body = {**PLAIN, "ride_id": name}
        headers = {**bearer(token), "Content-Type": kind}
        assert worker.client.post("/predict", json=body, headers=headers).status_code == 200
    batch = [{**PLAIN, "ride_id": "batch"}]
    answer = worker.client.post("/predict/batch", json=batch, headers=bearer(TOKENS["shop"]))
    assert answer.status_code == 200

    found = {one["_id"]: one["caller"] for one in worker.delivered()}
    assert found == {"shop": "shop", "billing": "billing", "batch": "shop"}
    assert not any(token in str(found) for token in TOKENS.values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("headers", [{}, bearer("another-token")])
def test_who_has_no_token_gets_no_answer(
    worker: PredictorApp, kind: str, headers: dict[str, str]
) -> None:
    for path in ("/predict", "/predict/batch"):
        answer = worker.client.post(path, json=PLAIN, headers={**headers, "Content-Type": kind})
        assert answer.status_code == 401
        assert answer.content_type == "application/problem+json"
        assert "Bearer" in answer.headers["WWW-Authenticate"]
    for path in ("/v1/model", "/openapi.json"):
        assert worker.client.get(path, headers=headers).status_code == 401
    assert worker.probes.get("/healthz").status_code == 200

    assert worker.counts() == {"answered": 0, "unauthorized": 2}
    assert worker.delivered() == []


def test_where_nobody_is_asked_for_a_token_the_log_names_nobody(tmp_path: Path) -> None:
    worker = predictor_app(tmp_path, loaded(small_artifact()))

    assert worker.client.post("/predict", json=PLAIN, headers=bearer("any")).status_code == 200

    (document,) = worker.delivered()
    assert "caller" not in document
