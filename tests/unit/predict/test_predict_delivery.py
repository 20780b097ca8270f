"""The delivery: nothing is confirmed that the log did not take, and nothing holds up the rest."""

import threading
from collections.abc import Sequence
from pathlib import Path

import bson

from taxi_domain.errors import NotAvailableError
from taxi_predict.backlog import Backlog
from taxi_predict.delivery import Delivery
from taxi_predict.entries import Entry, encode
from taxi_predict.metrics import Metrics
from taxi_predict.spool import Spool


class Taker:
    """A destination that fails some times."""

    def __init__(self, name: str, failures: int = 0) -> None:
        self.name = name
        self.failures = failures
        self.batches: list[list[str]] = []

    def write(self, records: Sequence[bytes]) -> None:
        if self.failures:
            self.failures -= 1
            raise NotAvailableError(f"{self.name} is away")
        self.batches.append([bson.decode(one)["_id"] for one in records])

    @property
    def ride_ids(self) -> list[str]:
        return [one for batch in self.batches for one in batch]


def entry(number: int) -> bytes:
    return encode(
        Entry(f"r{number}", number, "m", "v", "champion", 1, 2, 3.0, None, 1.0, 2.0, 4.0, 0.1)
    )


def deliver(folder: Path, log: Taker, listener: Taker | None = None) -> Metrics:
    """Deliver what waits, and end."""
    metrics = Metrics()
    delivery = Delivery(Backlog(folder), log, listener, None, metrics, folder / "beat")
    delivery.stop()
    thread = threading.Thread(target=delivery.run, args=(20.0,), daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    return metrics


def spooled(folder: Path, payloads: list[bytes]) -> None:
    spool = Spool(folder, 1 << 20)
    spool.append(payloads)
    spool.close()


def test_log_and_listener_get_each_ride_once(tmp_path: Path) -> None:
    spooled(tmp_path, [entry(number) for number in range(250)])
    log, listener = Taker("mongodb"), Taker("monitor")
    deliver(tmp_path, log, listener)

    wanted = [f"r{number}" for number in range(250)]
    assert log.ride_ids == wanted
    assert listener.ride_ids == wanted


def test_what_the_log_refused_is_written_again(tmp_path: Path) -> None:
    spooled(tmp_path, [entry(1), entry(2)])
    log, listener = Taker("mongodb", failures=2), Taker("monitor")
    deliver(tmp_path, log, listener)

    assert log.batches == [["r1", "r2"]]
    assert listener.ride_ids == ["r1", "r2"]


def test_a_listener_that_is_away_delays_nothing(tmp_path: Path) -> None:
    spooled(tmp_path, [entry(1)])
    log, listener = Taker("mongodb"), Taker("monitor", failures=9)
    deliver(tmp_path, log, listener)

    assert log.ride_ids == ["r1"]
    assert listener.failures == 8, "asked once: it reads the log itself"


def test_a_record_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    spooled(tmp_path, [entry(1), b"\x93 no entry", entry(2)])
    log = Taker("mongodb")
    metrics = deliver(tmp_path, log)

    assert log.ride_ids == ["r1", "r2"]
    assert metrics.spool_lost.labels("strange")._value.get() == len(b"\x93 no entry")
