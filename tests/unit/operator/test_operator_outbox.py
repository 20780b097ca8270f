"""The outbox: at least once, with pauses that grow and an end, and nobody waits for it."""

import asyncio
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from support.simulator.clock import BEGIN, Clock, SimulatedLoop

from taxi_domain.errors import NotAvailableError
from taxi_operator.app import Operator
from taxi_operator.core.decisions import Action, Decision
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Status
from taxi_operator.memory.status_document import document_of, status_of
from taxi_operator.metrics import Metrics
from taxi_operator.notify import outbox as module
from taxi_operator.notify.notice import Notice
from taxi_operator.notify.outbox import MAX_PAUSE, MAX_WAITING, PATIENCE_SECONDS, Outbox

Document = dict[str, Any]
UID = "0a1b2c3d-1111-2222-3333-444455556666"
RETRAIN = Decision(Action.RETRAIN, ("drift",))


class Receiver:
    """Takes notices, or does not; a try takes some seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.works = True
        self.breaks = False
        self.refuses = ""
        self.seconds = 0.0
        self.tries: list[float] = []
        self.taken: list[str] = []

    async def send(self, notice: Notice) -> None:
        self.tries.append(self._clock.seconds)
        await asyncio.sleep(self.seconds)
        if self.breaks:
            raise RuntimeError("a defect")
        if not self.works or (self.refuses and self.refuses in notice.identity):
            raise NotAvailableError("Webhook: no answer in time")
        self.taken.append(notice.identity)


class Bench:
    """A policy, its outbox, and time."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.loop = SimulatedLoop(self.clock)
        self.receiver = Receiver(self.clock)
        self.registry = CollectorRegistry()
        self.status = Status()
        self.start()

    def start(self) -> None:
        """Start a process that remembers nothing."""
        self.outbox = Outbox(
            self.receiver, Metrics(self.registry), lambda: self.clock.api, random.Random(1)
        )
        self.task = self.loop.create_task(self.outbox.run())

    def kill(self) -> None:
        self.task.cancel()
        self.registry = CollectorRegistry()
        self.start()

    def found(self, uid: str = UID) -> Document:
        return {
            "metadata": {"name": "p", "namespace": "ns", "uid": uid},
            "spec": {}, "status": document_of(self.status, 1),
        }  # fmt: skip

    def decide(self) -> None:
        before = self.status
        self.status = self.outbox.planned(
            before.decided(before.number + 1, RETRAIN, self.clock.api)
        )
        self.outbox.fell_out(UID, before, self.status)

    def end(self) -> None:
        self.status = self.status.with_outcome(self.status.number, "Promoted", self.clock.api)

    def reconcile(self) -> list[str]:
        """Return the Events of a reconcile."""

        async def act() -> list[str]:
            self.status = status_of(document_of(self.status, 1), self.clock.api)
            self.status, notes = self.outbox.noted(self.status, UID)
            self.outbox.offer(self.found())
            return [one.reason for one in notes]

        return self.loop.run_until_complete(act())

    def run(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def count(self, result: str) -> float:
        name = "taxi_operator_webhook_deliveries_total"
        return self.registry.get_sample_value(name, {"result": result}) or 0.0

    @property
    def pending(self) -> float | None:
        return self.registry.get_sample_value("taxi_operator_webhook_pending")

    @property
    def word(self) -> str:
        return str(self.status.history[0].get("notice"))


@pytest.fixture
def bench() -> Iterator[Bench]:
    one = Bench()
    yield one
    one.task.cancel()
    one.run(0)
    one.loop.close()


def test_decision_and_its_end_are_told_once_each(bench: Bench) -> None:
    bench.decide()
    assert bench.word == "Due"
    bench.reconcile()
    bench.run(1)
    bench.end()
    for _ in range(4):
        bench.reconcile()
        bench.run(30)

    assert [one.rsplit("-", 1)[1] for one in bench.receiver.taken] == ["decided", "ended"]
    assert bench.word == "AllTold"
    assert (bench.count("delivered"), bench.pending) == (2, 0)


def test_without_a_webhook_nothing_is_due(bench: Bench) -> None:
    outbox = Outbox(None, Metrics(CollectorRegistry()), lambda: bench.clock.api)
    status = outbox.planned(Status().decided(1, RETRAIN, bench.clock.api))

    assert "notice" not in status.history[0]


def test_process_that_ends_before_it_is_noted_down_sends_the_same_again(bench: Bench) -> None:
    bench.decide()
    bench.reconcile()
    bench.run(1)
    bench.kill()
    bench.reconcile()
    bench.run(1)
    bench.reconcile()

    first, second = bench.receiver.taken
    assert first == second
    assert bench.word == "DecidedTold"


def test_what_was_delivered_is_not_sent_again_for_a_status_that_was_read_late(
    bench: Bench,
) -> None:
    bench.decide()
    late = bench.status
    for _ in range(3):
        bench.status = late
        bench.reconcile()
        bench.run(10)

    assert len(bench.receiver.taken) == 1


def test_pauses_grow_differ_and_end(bench: Bench) -> None:
    bench.receiver.works = False
    bench.decide()
    bench.reconcile()
    bench.run(PATIENCE_SECONDS - 60)
    assert (bench.word, bench.count("lost"), bench.pending) == ("Due", 0, 1)
    pauses = [b - a for a, b in zip(bench.receiver.tries, bench.receiver.tries[1:], strict=False)]
    assert 1.6 <= pauses[0] <= 2.4
    assert all(one <= 1.2 * MAX_PAUSE for one in pauses)
    assert len({round(one, 3) for one in pauses[10:30]}) > 10
    assert len(bench.receiver.tries) < 500

    bench.run(2 * MAX_PAUSE)
    assert bench.reconcile() == ["NoticeLost"]
    assert bench.reconcile() == []
    assert (bench.word, bench.count("lost"), bench.pending) == ("DecidedLost", 1, 0)

    # Its end is told all the same.
    bench.receiver.works = True
    bench.end()
    bench.reconcile()
    bench.run(1)
    bench.reconcile()
    assert len(bench.receiver.taken) == 1
    assert bench.word == "Lost"


def test_notice_that_was_due_during_a_long_outage_of_the_operator_is_tried_once(
    bench: Bench,
) -> None:
    bench.decide()
    bench.run(2 * PATIENCE_SECONDS)
    bench.reconcile()
    bench.run(1)

    assert len(bench.receiver.taken) == 1


def test_restart_does_not_make_the_day_longer(bench: Bench) -> None:
    bench.receiver.works = False
    bench.decide()
    for _ in range(5):
        bench.reconcile()
        bench.run(PATIENCE_SECONDS / 4)
        bench.kill()
    bench.reconcile()
    bench.run(1)

    assert bench.reconcile() == ["NoticeLost"]


def test_one_notice_that_is_refused_holds_up_no_other(bench: Bench) -> None:
    bench.receiver.refuses = "-0001-"
    for _ in range(3):
        bench.decide()
    bench.reconcile()
    bench.run(2)

    assert [one.split("-")[5] for one in bench.receiver.taken] == ["0002", "0003"]
    assert bench.pending == 1


def test_defect_in_a_try_is_a_failed_try(bench: Bench) -> None:
    bench.receiver.breaks = True
    bench.decide()
    bench.reconcile()
    bench.run(1)
    bench.receiver.breaks = False
    bench.run(60)

    assert len(bench.receiver.taken) == 1
    assert bench.count("failed") == 1


def test_queue_is_bounded_and_what_has_no_room_is_offered_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_WAITING >= 200 * 2
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    for _ in range(5):
        bench.decide()
    bench.reconcile()
    assert bench.pending == 2
    for _ in range(4):
        bench.run(1)
        bench.reconcile()
    bench.run(1)

    assert len(set(bench.receiver.taken)) == 5


def test_slow_receiver_delays_no_reconcile(bench: Bench) -> None:
    bench.receiver.seconds = 5.0
    bench.receiver.works = False
    for _ in range(20):
        bench.decide()
    before = bench.clock.seconds
    for _ in range(100):
        bench.reconcile()

    assert bench.clock.seconds == before


def test_what_falls_out_of_the_history_untold_is_counted_once(bench: Bench) -> None:
    bench.receiver.works = False
    for _ in range(23):
        bench.decide()
        bench.reconcile()
        bench.run(1)
    assert (bench.count("dropped"), bench.pending) == (3, 20)

    bench.receiver.works = True
    bench.run(2 * MAX_PAUSE)
    bench.reconcile()
    for _ in range(20):
        bench.decide()
    assert bench.count("dropped") == 3
    assert not [one for one in bench.receiver.taken if "-0001-" in one]


def test_end_of_an_open_run_that_fell_out_is_counted(bench: Bench) -> None:
    bench.decide()
    run = Run(1, 1, RunState.RUNNING, "j", BEGIN)
    bench.status = replace(bench.status, run=run)
    for _ in range(20):
        bench.reconcile()
        bench.run(1)
        bench.reconcile()
        bench.decide()

    assert bench.count("dropped") == 1


def test_process_without_its_outbox_is_not_alive() -> None:
    class Runs:
        """A scheduler that goes on, or an outbox that does or ends."""

        beat = math.inf

        def __init__(self, seconds: float) -> None:
            self._seconds = seconds

        async def run(self) -> None:
            await asyncio.sleep(self._seconds)

    class Cluster:
        def login_refused_seconds(self) -> float:
            return 0.0

    class View:
        """Watches nothing."""

        def start(self) -> None: ...

        def stop(self) -> None: ...

    async def failure(seconds: float) -> str:
        parts: Any = (Runs(60), Runs(seconds), Cluster(), View(), [], Runs(60))
        operator = Operator(*parts)
        await asyncio.sleep(0.01)
        found = operator.liveness_failure()
        await operator.stop()
        return found

    assert asyncio.run(failure(60)) == ""
    assert "outbox" in asyncio.run(failure(0))
