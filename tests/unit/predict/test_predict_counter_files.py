"""Metrics are answered whatever killed workers left behind."""

import threading
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from taxi_domain.metrics import PREDICTOR_TORN_FILES
from taxi_predict.counter_files import CounterFiles, forget_worker

NAME = "taxi_predictor_requests"


def count(folder: Path, pid: int, value: float) -> Path:
    """Write a worker's counters as prometheus_client does."""
    path = folder / f"counter_{pid}.db"
    file: Any = MmapedDict(str(path))  # type: ignore[no-untyped-call]
    file.write_value(mmap_key(NAME, f"{NAME}_total", ["route"], ["/predict"], "h"), value, 0.0)
    for number in range(100):
        file.write_value(mmap_key(NAME, f"{NAME}_total", ["route"], [f"/{number}"], "h"), 0, 0.0)
    file.close()
    return path


def exported(folder: Path) -> tuple[float, float]:
    """Return the counter of all workers and the number of torn files."""
    samples = [one for family in CounterFiles(folder).collect() for one in family.samples]
    answered = [one.value for one in samples if one.labels.get("route") == "/predict"]
    (torn,) = (one.value for one in samples if one.name == PREDICTOR_TORN_FILES.name)
    return sum(answered), torn


def test_all_workers_are_merged(tmp_path: Path) -> None:
    count(tmp_path, 1, 3)
    count(tmp_path, 2, 4)

    assert exported(tmp_path) == (7, 0)


@pytest.mark.parametrize("size", [0, 2, 7, 9, 100, 4000])
def test_a_torn_file_is_left_out_and_told(tmp_path: Path, size: int) -> None:
    count(tmp_path, 1, 3)
    torn = count(tmp_path, 2, 4)
    with torn.open("r+b") as file:
        file.truncate(size)

    assert exported(tmp_path) == (3, 1)
    forget_worker(tmp_path, 2)
    assert not torn.exists()
    assert exported(tmp_path) == (3, 0)


def test_a_file_that_was_not_filled_yet_is_whole(tmp_path: Path) -> None:
    count(tmp_path, 1, 3)
    (tmp_path / "counter_2.db").write_bytes(bytes(1024 * 1024))

    assert exported(tmp_path) == (3, 0)


def test_a_dead_worker_keeps_what_it_counted(tmp_path: Path) -> None:
    count(tmp_path, 1, 3)

    forget_worker(tmp_path, 1)

    assert exported(tmp_path) == (3, 0)


def test_files_may_be_made_and_removed_meanwhile(tmp_path: Path) -> None:
    count(tmp_path, 1, 3)
    done = threading.Event()

    def make() -> None:
        pid = 1
        while not done.is_set():
            pid += 1
            path = tmp_path / f"gauge_livemax_{pid}.db"
            path.touch()
            MmapedDict(str(path)).close()  # type: ignore[no-untyped-call]
            path.unlink()

    maker = threading.Thread(target=make)
    maker.start()
    try:
        for _ in range(300):
            assert exported(tmp_path)[0] == 3
    finally:
        done.set()
        maker.join()
