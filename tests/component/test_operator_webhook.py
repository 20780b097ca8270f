"""Notices with real receivers that are down, slow and lying, and an operator that dies."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from support.operator_process import OperatorProcess, eventually
from support.policy_namespace import FALLBACK, PolicyNamespace
from support.receivers import Handler, Receiver, endless, nothing, receiver, status

from taxi_domain.errors import NotAvailableError
from taxi_local.ports import free_port
from taxi_operator.adapters import receiver as adapter
from taxi_operator.notify.notice import SIGNATURE_HEADER

pytestmark = pytest.mark.component

KEY = "a key that nobody guesses"
DELIVERIES = "taxi_operator_webhook_deliveries_total"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a mounted Secret."""
    made = tmp_path / "secret"
    made.mkdir()
    (made / "key").write_text(f"{KEY}\n")
    return made


def post(url: str, folder: Path, timeout: float = 3) -> str:
    """Try once; return the problem, empty without one."""

    async def act() -> str:
        one = adapter.Receiver(url, folder, timeout)
        try:
            await one.post(b"{}", {SIGNATURE_HEADER: "s"})
        except NotAvailableError as error:
            return str(error)
        finally:
            await one.close()
        return ""

    return asyncio.run(act())


def test_lying_receiver_gets_no_more_than_a_try(folder: Path) -> None:
    with receiver() as elsewhere, receiver() as one:
        one.answers = [
            endless, status(302, Location=elsewhere.url), status(307, Location=elsewhere.url),
            status(500), status(204), nothing,
            lambda handler: handler.wfile.write(b"HTTP/1.1 200 " + b"x" * 100_000),
            lambda handler: handler.wfile.write(b"no HTTP at all\r\n\r\n"),
        ]  # fmt: skip
        begin = time.monotonic()
        problems = [post(one.url, folder) for _ in range(8)]

        assert problems[:6] == [
            "", "Webhook: answered with 302", "Webhook: answered with 307",
            "Webhook: answered with 500", "", "Webhook: no answer in time",
        ]  # fmt: skip
        assert all(problems[6:])
        assert "xxx" not in "".join(problems)
        assert len(one.received) == 8
        assert elsewhere.received == []
        assert time.monotonic() - begin < 30, "an endless answer is not read"
    assert post(f"http://127.0.0.1:{free_port()}", folder) == "Webhook: no connection"


def test_key_is_read_anew_and_none_is_no_key(folder: Path) -> None:
    async def act() -> None:
        one = adapter.Receiver("http://127.0.0.1:1", folder)
        try:
            assert one.key() == KEY.encode()
            fresh = folder / "fresh"
            fresh.write_text("another key of these days")
            fresh.replace(folder / "key")
            assert one.key() == b"another key of these days"
            for spoilt in ("short", ""):
                (folder / "key").write_text(spoilt)
                with pytest.raises(NotAvailableError, match=r"operator\.webhook\.existingSecret"):
                    one.key()
            (folder / "key").unlink()
            with pytest.raises(NotAvailableError, match=r"operator\.webhook\.existingSecret"):
                one.key()
        finally:
            await one.close()

    asyncio.run(act())


def operator_of(world: PolicyNamespace, url: str, folder: Path) -> OperatorProcess:
    return world.operator(WEBHOOK_URL=url, WEBHOOK_SECRET=str(folder), CLUSTER_NAME="eu")


def words(world: PolicyNamespace) -> list[str]:
    return [one.get("notice", "") for one in world.status().get("history", ())]


def goes_on_during_a_try(operator: OperatorProcess, slow: Receiver) -> bool:
    """Wait for the end of a try that is under way; tell whether policies were evaluated before."""

    def failed() -> float:
        return operator.metric(DELIVERIES, "failed")

    before, ended = operator.reconciles(), failed()
    while len(slow.received) > ended == failed():
        # Read in this order: an end that lets the next look begin is seen.
        if operator.reconciles() > before and failed() == ended:
            return True
        time.sleep(0.1)
    return False


def test_slow_and_dead_receivers_delay_nothing_and_are_told_all_later(
    world: PolicyNamespace, folder: Path
) -> None:
    # Nobody may take its port while it is away.
    with receiver(free_port()) as slow:
        slow.answers = [nothing] * 20
        operator = operator_of(world, slow.url, folder)
        world.apply_policy()
        eventually("a first look", lambda: "requests" in world.status())
        world.say(error=2)
        eventually("the fallback serves", lambda: world.selects() == FALLBACK)
        eventually("a look during a try", lambda: goes_on_during_a_try(operator, slow))
        eventually("it is given up", lambda: operator.metric(DELIVERIES, "failed") >= 1)
        assert operator.metric("taxi_operator_webhook_pending") == 1
        assert words(world) == ["Due"]
    failed = operator.metric(DELIVERIES, "failed")
    eventually("a try that finds nobody", lambda: operator.metric(DELIVERIES, "failed") > failed)

    with receiver(slow.port) as well:
        eventually("all is told", lambda: words(world) == ["AllTold"])
        assert well.events == [("p", 1, "decided"), ("p", 1, "ended")]
        document = well.received[1].document
    assert {one.identity for one in slow.received} == {well.received[0].identity}
    assert document["cluster"] == "eu"
    assert document["namespace"] == document["model"] == world.namespace
    assert document["decision"]["because"] == ["error"]
    assert document["outcome"]["result"] == "Switched"
    assert document["outcome"]["seconds"] >= 0
    assert operator.metric(DELIVERIES, "delivered") == 2
    assert operator.is_well()


def test_operator_that_dies_between_delivery_and_write_sends_the_same_again(
    world: PolicyNamespace, folder: Path
) -> None:
    alive: list[OperatorProcess] = []

    def taken_and_killed(handler: Handler) -> None:
        status(200)(handler)
        os.kill(alive[-1].process.pid, 9)

    with receiver() as one:
        one.answers = [taken_and_killed, taken_and_killed]
        world.apply_policy()
        world.say(error=2)
        for number in (1, 2):
            alive.append(operator_of(world, one.url, folder))
            alive[-1].wait_for_death()
            assert len(one.received) == number
            assert words(world) == ["Due"]
        alive.append(operator_of(world, one.url, folder))
        eventually("all is told", lambda: words(world) == ["AllTold"])

        assert one.events == [("p", 1, "decided")] * 3 + [("p", 1, "ended")]
        assert len({each.identity for each in one.received}) == 2
        alive[-1].reconcile()
        assert len(one.received) == 4
