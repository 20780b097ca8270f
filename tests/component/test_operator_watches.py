"""The operator's view of a real API server, and of one that answers strangely."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest
from support.control_plane import ControlPlane
from support.policy_namespace import CHAMPION, SERVICE, PolicyNamespace

from taxi_domain.errors import NotAvailableError, TaxiError
from taxi_operator.adapters.cluster import ApiError, Cluster
from taxi_operator.adapters.kinds import DEPLOYMENTS, POLICIES, WATCHED
from taxi_operator.adapters.view import View
from taxi_operator.core.services import ACTIVE_SERVICES

pytestmark = pytest.mark.component

Story = Callable[[View, Cluster, list[TaxiError]], Awaitable[None]]


def tell(plane: ControlPlane, namespace: str, story: Story) -> None:
    """Tell a story with a view that the operator's user may have."""

    async def whole() -> None:
        failures: list[TaxiError] = []
        cluster = await Cluster.connect(namespace, 5.0, plane.kubeconfig())
        view = View(cluster, failures.append)
        view.start()
        try:
            await eventually("it is listed", lambda: all(map(view.is_current, WATCHED)))
            await story(view, cluster, failures)
        finally:
            view.stop()
            await cluster.close()

    asyncio.run(whole())


async def eventually(what: str, check: Callable[[], Any], seconds: float = 90) -> None:
    """Ask again and again until the answer is true; answers may have to be waited for."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


def test_view_has_what_direct_calls_have_and_needs_none(world: PolicyNamespace) -> None:
    world.say(drift=0)
    world.apply_policy()
    world.controllers.stop()

    async def story(view: View, cluster: Cluster, failures: list[TaxiError]) -> None:
        for name in (CHAMPION, "nobody"):
            direct = await cluster.deployment(name)
            kept = None if direct is None else DEPLOYMENTS.kept(direct)
            assert await view.deployment(name) == kept
        policy, service = await view.policy("p"), await view.service(SERVICE)
        assert policy == POLICIES.kept(await cluster.policy("p") or {})
        assert await view.services(ACTIVE_SERVICES) == [service]
        assert policy is not None

        # Its own writing is known as soon as it was answered.
        await cluster.apply_status(policy, {"traffic": {"active": "Champion"}})
        written = await view.policy("p")
        assert written is not None
        assert written["metadata"]["resourceVersion"] == policy["metadata"]["resourceVersion"]
        assert written["status"] == {"traffic": {"active": "Champion"}}
        await cluster.annotate_service(SERVICE, {"taxi-monitoring.io/retained": "true"})
        service = await view.service(SERVICE)
        assert service is not None
        assert service["metadata"]["annotations"]["taxi-monitoring.io/retained"] == "true"

        # So is what others write, a moment later.
        world.api.patch("DriftPolicy", world.namespace, "p", {"spec": {"mode": "Suspend"}})

        async def is_suspended() -> bool:
            found = await view.policy("p")
            return found is not None and found["spec"]["mode"] == "Suspend"

        await eventually("the edit is told", is_suspended)
        world.delete_policy()

        async def is_gone() -> bool:
            return await view.policies() == []

        await eventually("the end is told", is_gone)
        assert failures == []

    tell(world.plane, world.namespace, story)


def test_view_comes_back_after_the_api_server_and_lists_what_it_missed(
    world: PolicyNamespace,
) -> None:
    server = world.plane.api_server
    world.apply_policy()
    world.controllers.stop()

    async def story(view: View, _cluster: Cluster, failures: list[TaxiError]) -> None:
        await asyncio.to_thread(server.kill)
        await eventually("all watches are cut", lambda: len(failures) >= len(WATCHED))
        await asyncio.to_thread(world.plane.start_api_server)
        status = {"status": {"readyReplicas": 0, "replicas": 0, "availableReplicas": 0}}
        world.api.patch("Deployment", world.namespace, CHAMPION, status, "/status")
        world.delete_policy()

        async def is_known() -> bool:
            if not all(map(view.is_current, WATCHED)):
                return False
            found = await view.deployment(CHAMPION)
            ready = (found or {}).get("status", {}).get("readyReplicas", 0)
            return ready == 0 and await view.policies() == []

        await eventually("what was missed is known", is_known)

    tell(world.plane, world.namespace, story)


def body(*lines: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head + b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in lines) + end


def refusal(status: int) -> bytes:
    text = json.dumps({"reason": "Expired", "message": "hunter2"}).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(text)) + text


EVENT: Final = json.dumps({"type": "ADDED", "object": {"metadata": {"name": "d"}}}).encode() + b"\n"
STRANGE: Final = {
    "two in pieces": (
        body(EVENT[:9], EVENT[9:] + EVENT[:5], EVENT[5:]), ["", "ADDED", "ADDED"], ""
    ),
    "none": (body(), [""], ""),
    "an end without one": (body(EVENT, end=b""), ["", "ADDED"], "the answer was cut"),
    "no JSON": (body(b"<html>\n"), [""], "the watch of deployments is no JSON"),
    "an endless line": (body(*[b"x" * 2**20] * 6), [""], "the answer was cut"),
    "no answer": (b"", [], "no answer in time"),
    "410": (refusal(410), [], "410 Expired"),
    "401": (refusal(401), [], "401 Expired"),
}  # fmt: skip


@pytest.mark.parametrize("what", STRANGE)
def test_strange_answers_end_a_watch_in_words_of_our_own(what: str, tmp_path: Path) -> None:
    answer, events, problem = STRANGE[what]

    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if answer:
            await writer.drain()
            writer.close()
        else:
            await reader.read()  # until the client has enough

    async def whole() -> None:
        async with await asyncio.start_server(lie, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            config = {
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "users": [{"name": "c", "user": {"token": "t"}}], "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            }  # fmt: skip
            (tmp_path / "config").write_text(json.dumps(config))
            # Only who gets no answer waits for the end of it.
            timeout = 20 if answer else 0.5
            cluster = await Cluster.connect("ns", timeout, tmp_path / "config")
            found, told = [], ""
            try:
                async for event, _ in cluster.changes(DEPLOYMENTS, 1, 5):
                    found.append(event)
            except (ApiError, NotAvailableError) as error:
                told = str(error)
            finally:
                await cluster.close()
            assert found == events
            assert problem in told
            assert bool(problem) is bool(told)
            assert (cluster.login_refused_seconds() > 0) is (what == "401")

    asyncio.run(whole())
