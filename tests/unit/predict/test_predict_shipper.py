"""The delivery: nothing is confirmed that the log did not take, and nothing holds up the rest."""

import os
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import bson
import pytest

from taxi_domain.errors import NotAvailableError
from taxi_domain.metrics import (
    PREDICTOR_SPOOL_LOST,
    PREDICTOR_SPOOL_OLDEST_AGE,
    PREDICTOR_SPOOL_RECORDS,
)
from taxi_predict.delivery.shipper import Shipper
from taxi_predict.metrics import Metrics
from taxi_predict.spool.reader import SpoolReader
from taxi_predict.spool.record import Entry, encode
from taxi_predict.spool.writer import SpoolWriter


class Taker:
    """A destination that fails some times."""

    def __init__(self, name: str, failures: int = 0) -> None:
        self.name = name
        self.failures = failures
        self.batches: list[list[str]] = []
        self.inputs: list[dict[str, object]] = []

    def write(self, records: Sequence[bytes]) -> None:
        if self.failures:
            self.failures -= 1
            raise NotAvailableError(f"{self.name} is away")
        documents = [bson.decode(record) for record in records]
        self.batches.append([document["_id"] for document in documents])
        self.inputs += [document["inputs"] for document in documents]

    @property
    def row_ids(self) -> list[str]:
        return [row_id for batch in self.batches for row_id in batch]


def entry(number: int, answered_at: float = 0.0, version: str = "v") -> bytes:
    milliseconds = int(answered_at * 1000)
    values = 1, "EWR", 3.0
    return encode(
        Entry(f"r{number}", milliseconds, "m", version, "champion", None, values, 4.0, 0.1)
    )


def deliver(folder: Path, log: Taker, listener: Taker | None = None) -> Metrics:
    """Deliver what waits, batch by batch."""
    metrics = Metrics()
    delivery = Shipper(SpoolReader(folder), log, listener, None, metrics)
    while delivery.batch(100) or delivery.pause:
        pass
    return metrics


def spooled(folder: Path, payloads: list[bytes]) -> None:
    spool = SpoolWriter(folder, 1 << 20)
    spool.columns.keep("v", ("zone", "airport", "miles"))
    spool.append(payloads)
    spool.close()


def test_log_and_listener_get_each_row_once(tmp_path: Path) -> None:
    spooled(tmp_path, [entry(number) for number in range(250)])
    log, listener = Taker("mongodb"), Taker("monitor")
    deliver(tmp_path, log, listener)

    wanted = [f"r{number}" for number in range(250)]
    assert log.row_ids == wanted
    assert listener.row_ids == wanted


def test_what_the_log_refused_is_written_again(tmp_path: Path) -> None:
    spooled(tmp_path, [entry(1), entry(2)])
    log, listener = Taker("mongodb", failures=2), Taker("monitor")
    deliver(tmp_path, log, listener)

    assert log.batches == [["r1", "r2"]]
    assert listener.row_ids == ["r1", "r2"]


def test_a_listener_that_is_away_delays_nothing(tmp_path: Path) -> None:
    spooled(tmp_path, [entry(1)])
    log, listener = Taker("mongodb"), Taker("monitor", failures=9)
    deliver(tmp_path, log, listener)

    assert log.row_ids == ["r1"]
    assert listener.failures == 8, "asked once: it reads the log itself"


def test_a_record_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    spooled(tmp_path, [entry(1), b"\x93 no entry", entry(2)])
    log = Taker("mongodb")
    metrics = deliver(tmp_path, log)

    assert log.row_ids == ["r1", "r2"]
    assert metrics[PREDICTOR_SPOOL_LOST].labels("malformed")._value.get() == len(b"\x93 no entry")


def test_age_is_that_of_the_oldest_row_that_waits(tmp_path: Path) -> None:
    spooled(
        tmp_path, [entry(number, answered_at=time.time() - 300 + number) for number in range(9)]
    )
    now = [0.0]
    metrics = Metrics()
    delivery = Shipper(
        SpoolReader(tmp_path), Taker("mongodb"), None, None, metrics, clock=lambda: now[0]
    )

    assert delivery.batch(5) == 5
    delivery.measure()
    waiting = (
        metrics[PREDICTOR_SPOOL_RECORDS]._value.get(),
        metrics[PREDICTOR_SPOOL_OLDEST_AGE]._value.get(),
    )
    assert delivery.batch(5) == 4
    now[0] += 2
    delivery.measure()

    assert waiting == (4, pytest.approx(295, abs=5))
    assert (
        metrics[PREDICTOR_SPOOL_RECORDS]._value.get()
        == metrics[PREDICTOR_SPOOL_OLDEST_AGE]._value.get()
        == 0
    )


def test_listener_is_told_once_for_several_batches(tmp_path: Path) -> None:
    spooled(tmp_path, [entry(number) for number in range(450)])
    log, listener = Taker("mongodb"), Taker("monitor")
    deliver(tmp_path, log, listener)

    assert [len(batch) for batch in log.batches] == [100, 100, 100, 100, 50]
    assert [len(batch) for batch in listener.batches] == [450]


def test_records_of_an_earlier_version_keep_their_own_names(tmp_path: Path) -> None:
    spooled(tmp_path, [entry(1)])
    # The container starts again with another version.
    spool = SpoolWriter(tmp_path, 1 << 20)
    spool.columns.keep("w", ("carrier", "origin", "delay"))
    spool.append([entry(2, version="w"), entry(3)])
    spool.close()
    log = Taker("mongodb")
    deliver(tmp_path, log)

    assert log.row_ids == ["r1", "r2", "r3"]
    assert log.inputs == [
        {"zone": 1, "airport": "EWR", "miles": 3.0},
        {"carrier": 1, "origin": "EWR", "delay": 3.0},
        {"zone": 1, "airport": "EWR", "miles": 3.0},
    ]


def test_records_whose_names_are_lost_hold_up_no_other(tmp_path: Path) -> None:
    lost = entry(2, version="lost")
    spooled(tmp_path, [entry(1), lost, entry(3)])
    (tmp_path / "short.columns").write_text('["zone"]')
    (tmp_path / "damaged.columns").write_text("")
    spooled(tmp_path, [entry(4, version="short"), entry(5, version="damaged")])
    log = Taker("mongodb")
    metrics = deliver(tmp_path, log)

    assert log.row_ids == ["r1", "r3"]
    assert metrics[PREDICTOR_SPOOL_LOST].labels("malformed")._value.get() > len(lost)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@contextmanager
def files_left(count: int) -> Iterator[None]:
    """Let this process open so many files more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.dup(0) for _ in range(count + 1)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[-1], hard))
    for descriptor in held:
        os.close(descriptor)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_names_that_cannot_be_read_now_lose_no_record(tmp_path: Path) -> None:
    spooled(tmp_path, [entry(1), entry(2)])
    log, metrics = Taker("mongodb"), Metrics()
    lost = metrics[PREDICTOR_SPOOL_LOST].labels("malformed")
    before = lost._value.get()
    delivery = Shipper(SpoolReader(tmp_path), log, None, None, metrics)
    names = tmp_path / "v.columns"
    names.rename(tmp_path / "aside")
    names.mkdir()  # reading it fails, and not because there is none
    moved, paused = delivery.batch(100), delivery.pause
    delivery.measure()  # must not end the process either
    names.rmdir()
    (tmp_path / "aside").rename(names)

    assert (moved, paused > 0, log.row_ids) == (0, True, [])
    assert delivery.batch(100) == 2
    assert (log.row_ids, delivery.pause) == (["r1", "r2"], 0)
    assert lost._value.get() == before


def test_a_segment_that_cannot_be_opened_now_costs_no_file_at_each_attempt(tmp_path: Path) -> None:
    spooled(tmp_path, [entry(1)])
    log = Taker("mongodb")
    delivery = Shipper(SpoolReader(tmp_path), log, None, None, Metrics())
    opened = open_files()
    # For the folder and the segment, not for the segment's offset.
    with files_left(2):
        assert [delivery.batch(100) for _ in range(3)] == [0, 0, 0]

    assert open_files() == opened
    assert delivery.batch(100) == 1
    assert log.row_ids == ["r1"]
