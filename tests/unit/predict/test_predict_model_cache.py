"""The pod's copy of its model outlives what is no fault of it."""

import errno
import threading
from pathlib import Path
from typing import Any

import pytest
from support.predictor import TAXI, served_artifact, small_artifact

from taxi_domain.errors import TaxiError
from taxi_domain.models import CARD_FILE, ONNX_FILE, SCHEMA_FILE
from taxi_predict.serving import model_cache
from taxi_predict.serving.loaded_model import LoadedModel, loaded
from taxi_predict.serving.model_cache import ModelCache, ModelHolder
from taxi_store.registry.artifacts import Artifact, artifact_of


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_cache, "_POLL_SECONDS", (0.01, 0.02))


def test_a_full_disk_does_not_cost_the_pinned_model(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    pinned = small_artifact()
    cache.write(pinned)
    done = threading.Event()
    left = 3

    def begin(_: LoadedModel) -> None:
        nonlocal left
        left -= 1
        if left:
            raise OSError(errno.ENOSPC, "No space left on device")
        done.set()

    fetched: list[str] = []

    def source() -> Artifact:
        fetched.append("registry")
        return small_artifact(5.0)

    ModelHolder().load(source, cache, begin)

    assert done.wait(60)
    kept = cache.read()
    assert kept is not None
    assert kept.digest == pinned.digest
    assert fetched == []


def test_a_pinned_model_that_cannot_be_used_makes_room_for_the_next(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    good = small_artifact()
    cache.write(artifact_of({CARD_FILE: good.files[CARD_FILE], ONNX_FILE: b"no graph"}))
    done = threading.Event()

    ModelHolder().load(lambda: good, cache, lambda _: done.set())

    assert done.wait(60)
    kept = cache.read()
    assert kept is not None
    assert kept.digest == good.digest


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({SCHEMA_FILE: None}, "schema.json is missing; pack the artifact again"),
        ({SCHEMA_FILE: b"{}"}, "columns: has no input"),
        ({"card": {"schema_sha256": "0"}}, "schema_sha256 is not that of schema.json"),
        ({"card": {"prediction_buckets": []}}, "prediction_buckets are not ascending"),
        ({"card": {"prediction_buckets": [2.0, 1.0]}}, "prediction_buckets are not ascending"),
        ({"card": {"prediction_buckets": ["a"]}}, "prediction_buckets are not ascending"),
    ],
)
def test_an_artifact_that_does_not_fit_together_is_refused(change: Any, text: str) -> None:
    graph = small_artifact().files[ONNX_FILE]
    files = dict(served_artifact(TAXI, graph, **change.pop("card", {})).files) | change

    with pytest.raises(TaxiError, match=text):
        loaded(artifact_of({name: data for name, data in files.items() if data is not None}))
