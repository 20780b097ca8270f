"""The limit of concurrent runs: never more Jobs than it says, first come, first served."""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest
from support.simulator.clock import Clock, SimulatedLoop

from taxi_domain.errors import NotAvailableError
from taxi_operator.facts.run_queue import RESERVED_SECONDS, RunQueue

Document = dict[str, Any]
MOST = 2


class FakeCluster:
    """Jobs, and calls that take their time; a listing is of its begin."""

    def __init__(self) -> None:
        self.chance = random.Random(3)
        self.jobs: dict[str, bool] = {}
        self.most = 0
        self.works = True
        self.instances: list[str] = []

    async def retrain_jobs(self, instance: str) -> list[Document]:
        self.instances.append(instance)
        await self._latency()
        if not self.works:
            raise NotAvailableError("API server: no answer in time")
        found = [
            {
                "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
                "status": {"conditions": [] if goes_on else [_COMPLETE]},
            }
            for name, goes_on in self.jobs.items()
        ]
        await self._latency()
        return found

    async def create(self, name: str) -> None:
        await self._latency()
        self.jobs[name] = True
        self.most = max(self.most, sum(self.jobs.values()))
        await self._latency()

    async def _latency(self) -> None:
        await asyncio.sleep(self.chance.uniform(0, 3))


_COMPLETE = {
    "type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"
}  # fmt: skip


class Bench:
    def __init__(self) -> None:
        self.loop = SimulatedLoop(Clock())
        self.cluster = FakeCluster()
        cluster: Any = self.cluster
        self.queue = RunQueue(cluster, MOST, "taxi")
        self.begun: list[str] = []

    def ask(self, uid: str, job: str = "") -> bool:
        return self.loop.run_until_complete(self.queue.lets_in(uid, job or f"{uid}-1"))

    def end(self, job: str) -> None:
        self.cluster.jobs[job] = False

    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    async def policy(self, uid: str, runs: int, pause: float) -> None:
        """Start some runs one after the other, as reconciles do."""
        for number in range(runs):
            job = f"{uid}-{number}"
            while not await self.queue.lets_in(uid, job):
                await asyncio.sleep(pause)
            await self.cluster.create(job)
            self.begun.append(uid)
            await asyncio.sleep(self.cluster.chance.uniform(0, 100))
            self.end(job)
            await asyncio.sleep(pause)


@pytest.fixture
def bench() -> Iterator[Bench]:
    one = Bench()
    yield one
    one.loop.close()


def test_policies_that_ask_at_the_same_moment_never_exceed_the_limit(bench: Bench) -> None:
    async def all_of_them() -> None:
        await asyncio.gather(*(bench.policy(f"p{number}", 8, 10) for number in range(7)))

    bench.loop.run_until_complete(all_of_them())

    assert bench.cluster.most == MOST
    assert len(bench.begun) == 56
    # Each gets its turn before anybody has had many.
    assert set(bench.begun[:14]) == {f"p{number}" for number in range(7)}
    assert set(bench.cluster.instances) == {"taxi"}


def test_who_came_first_goes_first_although_others_ask_more_often(bench: Bench) -> None:
    assert bench.ask("a")
    assert bench.ask("b")
    assert not bench.ask("slow")
    bench.cluster.jobs = {"a-1": True, "b-1": True}
    for _ in range(4):
        bench.wait(10)
        assert not bench.ask("eager")
    bench.end("a-1")

    assert not bench.ask("eager")
    assert bench.ask("slow")


def test_who_does_not_ask_any_more_keeps_nobody_waiting(bench: Bench) -> None:
    bench.cluster.jobs = {"a-1": True, "b-1": True}
    assert not bench.ask("gone")
    bench.end("a-1")
    assert not bench.ask("next")
    bench.wait(121)

    assert bench.ask("next")


def test_place_is_kept_until_its_job_is_seen_and_no_longer(bench: Bench) -> None:
    assert bench.ask("a")
    assert bench.ask("a"), "it asks again for the same Job"
    assert bench.ask("b")
    assert not bench.ask("c")
    # Made and ended at once: the listing has it.
    bench.cluster.jobs = {"a-1": False}
    assert bench.ask("c")
    assert not bench.ask("d")
    # b never made its Job.
    bench.wait(RESERVED_SECONDS + 1)
    bench.cluster.jobs["c-1"] = True
    assert bench.ask("d")


def test_job_that_is_there_already_has_its_place(bench: Bench) -> None:
    bench.cluster.jobs = {"a-1": True, "b-1": True, "c-1": True}

    assert bench.ask("a")
    assert not bench.ask("d")


def test_nobody_is_let_in_while_jobs_are_not_known(bench: Bench) -> None:
    bench.cluster.works = False
    with pytest.raises(NotAvailableError):
        bench.ask("a")
    bench.cluster.works = True

    assert bench.ask("a")
    assert bench.ask("b")
    assert not bench.ask("c")
