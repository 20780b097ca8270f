"""Refused rows are told by time slot: each once, and the fields that were the reason."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from taxi_domain.errors import NotAvailableError
from taxi_domain.metrics import PREDICTOR_MODEL_INFO, PREDICTOR_REFUSED
from taxi_predict.delivery.refusals import RefusalSlots
from taxi_store.log.refusals import Refusals


class Pod:
    """Counters of workers, and what was written of them."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {"malformed": 5, "distance": 0}
        self.versions = {"v1": 1.0}
        self.now = 1000.0
        self.written: dict[str, tuple[str, Refusals]] = {}
        self.away = False
        self.slots = RefusalSlots(self.read, self.write, "pod-1", lambda: self.now)

    def read(self) -> Iterable[Metric]:
        info = GaugeMetricFamily(
            PREDICTOR_MODEL_INFO.name, "", labels=("model", "model_role", "version")
        )
        for version, value in self.versions.items():
            info.add_metric(["m", "champion", version], value)
        refused = CounterMetricFamily(PREDICTOR_REFUSED.name, "", labels=("reason",))
        for reason, count in self.counts.items():
            refused.add_metric([reason], count)
        return [info, refused]

    def write(self, slot: str, version: str, at: datetime, refused: Refusals) -> None:
        assert at.timestamp() == self.now
        self.written.setdefault(slot, (version, refused))
        if self.away:  # it came there, and nobody knows
            raise NotAvailableError("away")

    def look(self, **counts: int) -> list[tuple[str, Refusals]]:
        self.counts |= counts
        self.now += 12.0
        self.slots.look()
        return list(self.written.values())


def told(**fields: int) -> Any:
    return ("v1", Refusals(sum(fields.values()), fields))


def test_each_refusal_is_told_once_and_by_field() -> None:
    pod = Pod()
    assert pod.look(distance=3) == [], "of before it began"
    assert pod.look(distance=5, malformed=9, zone=1) == [told(distance=2, zone=1)]
    assert len(pod.look(malformed=99)) == 1, "no field was the reason"
    assert pod.look(zone=4)[1:] == [told(zone=3)]


def test_a_slot_that_failed_is_written_again_as_itself() -> None:
    pod = Pod()
    pod.look()
    pod.away = True
    pod.look(distance=2)
    pod.away = False
    pod.look(distance=3)

    assert pod.look() == [told(distance=2), told(distance=1)]


def test_without_a_version_it_waits() -> None:
    pod = Pod()
    pod.look()
    pod.versions = {}
    assert pod.look(distance=2) == []
    pod.versions = {"v1": 1.0, "v0": 0.0}
    assert pod.look() == [told(distance=2)]


def test_no_slot_is_shorter_than_it_should_be() -> None:
    pod = Pod()
    pod.look()
    pod.counts["distance"] = 4
    pod.now += 5.0
    pod.slots.look()
    assert pod.written == {}
