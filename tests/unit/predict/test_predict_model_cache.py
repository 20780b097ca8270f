"""The pod's copy of its model outlives what is no fault of it."""

import errno
import threading
from pathlib import Path

import pytest
from support.predictor import small_artifact

from taxi_domain.models import CARD_FILE, ONNX_FILE
from taxi_predict.serving import model_cache as model_source
from taxi_predict.serving.model_cache import ModelCache, ModelHolder
from taxi_store.registry.artifacts import Artifact, artifact_of


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_source, "_POLL_SECONDS", (0.01, 0.02))


def test_a_full_disk_does_not_cost_the_pinned_model(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    pinned = small_artifact()
    cache.write(pinned)
    done = threading.Event()
    left = 3

    def join() -> None:
        nonlocal left
        left -= 1
        if left:
            raise OSError(errno.ENOSPC, "No space left on device")
        done.set()

    fetched: list[str] = []

    def source() -> Artifact:
        fetched.append("registry")
        return small_artifact(5.0)

    holder = ModelHolder(join)
    holder.load(source, cache)

    assert done.wait(10)
    kept = cache.read()
    assert kept is not None
    assert kept.digest == pinned.digest
    assert fetched == []


def test_a_pinned_model_that_cannot_be_used_makes_room_for_the_next(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    good = small_artifact()
    cache.write(artifact_of({CARD_FILE: good.files[CARD_FILE], ONNX_FILE: b"no graph"}))
    done = threading.Event()

    ModelHolder(done.set).load(lambda: good, cache)

    assert done.wait(10)
    kept = cache.read()
    assert kept is not None
    assert kept.digest == good.digest
