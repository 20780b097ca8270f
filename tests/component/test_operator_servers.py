"""Prometheus servers as the operator's pool asks them: who gets what, and who waits for whom."""

import asyncio
import json
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.certificates import Authority
from support.lying_prometheus import NOW, Handler, LyingPrometheus, lying_prometheus, result, send

from taxi_domain.errors import NotAvailableError
from taxi_operator.adapters import servers as pool
from taxi_operator.adapters.credentials import Credentials
from taxi_operator.adapters.server import MAX_CONNECTIONS
from taxi_operator.adapters.servers import Servers
from taxi_operator.core.breaker import FIRST_PAUSE, MAX_FAILURES
from taxi_operator.core.signals import SignalState
from taxi_operator.memory.status import Status
from taxi_operator.observation import Observation, observe
from taxi_operator.spec.addresses import AllowList
from taxi_operator.spec.policy import Policy, policy_of

pytestmark = pytest.mark.component

MOST = b" " * 900_000
HEALTHY = result("matrix", [{"metric": {}, "values": [[NOW, "0"]]}])


def policy(url: str = "", *, timeout: float | None = None, signals: int = 1) -> Policy:
    """Return a policy that asks for one range of each signal."""
    return policy_of(
        {
            "target": {"deploymentName": "p", "activeServiceName": "s"},
            "prometheus": {"timeoutSeconds": timeout, **({"url": url} if url else {})},
            "signals": [
                {
                    "name": f"s{number}", "promql": f"q{number}",
                    "enter": {"op": "GreaterOrEqual", "value": "1", "for": "0s"},
                    "exit": {"op": "Less", "value": "0.9", "for": "0s"},
                }
                for number in range(signals)
            ],
        }
    )  # fmt: skip


def run(story: Callable[[Servers], Awaitable[None]], servers: Callable[[], Servers]) -> None:
    """Tell a story with servers, and close them."""

    async def whole() -> None:
        made = servers()
        try:
            await story(made)
        finally:
            await made.close()

    asyncio.run(whole())


async def look(servers: Servers, served: Policy) -> Observation:
    return await observe(served, Status(), servers)


@pytest.fixture
def liar() -> Iterator[LyingPrometheus]:
    """Return a server that answers that all is well."""
    with lying_prometheus() as one:
        one.answer = HEALTHY
        yield one


def mount(folder: Path, **keys: bytes) -> None:
    """Write a Secret as the kubelet does: a new folder, and a link that changes at once."""
    version = folder / f"..{time.monotonic_ns()}"
    version.mkdir(parents=True)
    for name, content in keys.items():
        file = name.replace("_", ".")
        (version / file).write_bytes(content)
        if not (folder / file).is_symlink():
            (folder / file).symlink_to(Path("..data", file))
    link = folder / "..next"
    link.symlink_to(version.name)
    link.replace(folder / "..data")


def test_token_and_tenant_go_to_the_platform_s_own_server_alone(
    liar: LyingPrometheus, tmp_path: Path
) -> None:
    mount(tmp_path, token=b"first\n")
    with lying_prometheus() as other:
        other.answer = HEALTHY

        async def story(servers: Servers) -> None:
            for url in ("", liar.url, other.url, f"{liar.url}/below"):
                found = await look(servers, policy(url))
                assert not found.problem
            mount(tmp_path, token=b"second")
            await look(servers, policy())

        run(
            story,
            lambda: Servers(
                AllowList(liar.url, [other.url, liar.url]),
                Credentials(tmp_path, "X-Scope-OrgID", "ml"),
            ),
        )

        for headers in other.headers:
            assert not {"authorization", "x-scope-orgid"} & set(headers)
    told = [
        (path.startswith("/below"), one.get("authorization"), one.get("x-scope-orgid"))
        for path, one in zip(liar.paths, liar.headers, strict=True)
    ]
    assert other.headers
    own, below = (False, "Bearer first", "ml"), (True, None, None)
    assert told == [own] * 4 + [below] * 2 + [(False, "Bearer second", "ml")] * 2


def test_user_and_password_of_the_secret_are_sent(liar: LyingPrometheus, tmp_path: Path) -> None:
    mount(tmp_path, username=b"user", password=b"pass:word\n")

    async def story(servers: Servers) -> None:
        await look(servers, policy())

    run(story, lambda: Servers(AllowList(liar.url), Credentials(tmp_path)))

    assert {one["authorization"] for one in liar.headers} == {"Basic dXNlcjpwYXNzOndvcmQ="}


@pytest.mark.parametrize(
    ("keys", "name"), [({"token": b"two\nlines"}, "token"), ({"ca_crt": b"no PEM"}, "ca.crt")]
)
def test_key_that_cannot_be_used_is_named_and_nothing_is_asked(
    liar: LyingPrometheus, tmp_path: Path, keys: dict[str, bytes], name: str
) -> None:
    mount(tmp_path, **keys)

    async def story(servers: Servers) -> None:
        found = await look(servers, policy())
        assert f"the key {name} of the Secret" in found.problem

    run(story, lambda: Servers(AllowList(liar.url), Credentials(tmp_path)))

    assert liar.paths == []


def test_server_with_an_authority_of_its_own_is_trusted_by_the_bundle_of_the_secret(
    tmp_path: Path,
) -> None:
    authority, stranger = Authority(), Authority("stranger")
    secret = tmp_path / "secret"
    mount(secret, ca_crt=stranger.pem)
    with lying_prometheus(authority.server(tmp_path)) as liar:
        liar.answer = HEALTHY

        async def story(servers: Servers) -> None:
            found = await look(servers, policy())
            assert found.problem == "Prometheus: the certificate is not trusted"
            mount(secret, ca_crt=authority.pem)
            assert (await look(servers, policy())).problem == ""
            mount(secret, ca_crt=stranger.pem)
            assert "not trusted" in (await look(servers, policy())).problem

        run(story, lambda: Servers(AllowList(liar.url), Credentials(secret)))

        assert len(liar.paths) == 2


def test_bundle_is_for_the_platform_s_server_alone(tmp_path: Path) -> None:
    authority = Authority()
    mount(tmp_path / "secret", ca_crt=authority.pem)
    with lying_prometheus(authority.server(tmp_path)) as other:

        async def story(servers: Servers) -> None:
            assert "not trusted" in (await look(servers, policy(other.url))).problem

        allowed = AllowList("http://127.0.0.1:1", [other.url])
        run(story, lambda: Servers(allowed, Credentials(tmp_path / "secret")))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_token_does_not_follow_a_redirect(
    liar: LyingPrometheus, tmp_path: Path, status: int
) -> None:
    mount(tmp_path, token=b"secret")
    with lying_prometheus() as other:
        liar.answer = send(b"", status, {"Location": f"{other.url}/api/v1/query"})

        async def story(servers: Servers) -> None:
            (reading,) = (await look(servers, policy())).readings
            assert f"redirect ({status}), which is not followed" in reading.reason

        allowed = AllowList(liar.url, [other.url])
        run(story, lambda: Servers(allowed, Credentials(tmp_path)))

        assert other.paths == []


FAILURES = [
    (422, "execution", "QueryFailed"), (503, "timeout", "QueryFailed"),
    (503, "canceled", "QueryFailed"), (500, "internal", "QueryFailed"),
    (400, "bad_data", "InvalidQuery"),
    (503, "unavailable", "PrometheusUnreachable"), (500, "", "PrometheusUnreachable"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "kind", "word"), FAILURES)
def test_errors_are_told_apart_and_all_hold_the_state(
    liar: LyingPrometheus, status: int, kind: str, word: str
) -> None:
    body = json.dumps({"status": "error", "errorType": kind, "error": "hunter2"}) if kind else "502"
    liar.answer = send(body.encode(), status)

    async def story(servers: Servers) -> None:
        for was in (True, False):
            found = await observe(policy(), Status(breached={"s0": was}), servers)
            (reading,) = found.readings
            assert (reading.state, reading.breached) == (SignalState.NO_DATA, was)
            assert reading.failure == word
            assert "hunter2" not in f"{found}{reading.reason}"
            assert [one.reason for one in found.bad_queries] == [word] * (kind == "bad_data")

    run(story, lambda: Servers(AllowList(liar.url)))


def slow(seconds: float) -> Callable[[Handler, dict[str, str]], None]:
    def answer(handler: Handler, parameters: dict[str, str]) -> None:
        time.sleep(seconds)
        HEALTHY(handler, parameters)

    return answer


def test_all_queries_of_a_reconcile_have_one_deadline(liar: LyingPrometheus) -> None:
    """Each of 16 queries is answered within its time-out, and all of them would take 7 s."""
    liar.answer = slow(1.8)

    async def story(servers: Servers) -> None:
        begin = time.monotonic()
        found = await look(servers, policy(timeout=3, signals=16))
        took = time.monotonic() - begin

        assert took < 12
        answered = [one for one in found.readings if not one.failure]
        late = [one for one in found.readings if one.failure]
        assert len(answered) >= 4
        assert {one.state for one in answered} == {SignalState.HEALTHY}
        assert {(one.reason, one.failure) for one in late} == {
            ("Prometheus: no answer to all queries within 6 s", "PrometheusUnreachable")
        }

    run(story, lambda: Servers(AllowList(liar.url)))


def test_slow_queries_keep_nobody_from_asking_whether_the_server_is_there(
    liar: LyingPrometheus,
) -> None:
    """More queries than there are connections wait for answers, or for one of the connections."""
    liar.answer = slow(12)

    async def story(servers: Servers) -> None:
        prometheus = servers.of("", 8)
        queries = [
            asyncio.create_task(prometheus.value(f"q{number}", NOW, 1))
            for number in range(MAX_CONNECTIONS + 8)
        ]
        await asyncio.sleep(0.2)
        for _ in range(2 * MAX_FAILURES):
            assert await servers.of("", 4).now() == NOW
        found = await asyncio.gather(*queries, return_exceptions=True)
        assert {type(one) for one in found} == {NotAvailableError}

    run(story, lambda: Servers(AllowList(liar.url)))


def stalls(handler: Handler, _: dict[str, str]) -> None:
    """Send most of a large answer, and the rest never."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(MOST) + 1))
    handler.end_headers()
    handler.wfile.write(MOST)
    time.sleep(3)


def test_large_answers_that_stall_take_bounded_memory() -> None:
    """64 of them, from four servers, would take 56 MiB if all were read at the same time."""
    with ExitStack() as stack:
        liars = [stack.enter_context(lying_prometheus()) for _ in range(4)]
        for one in liars:
            one.answer = stalls

        async def story(servers: Servers) -> None:
            asked = [policy(one.url, timeout=2, signals=4) for one in liars for _ in range(4)]
            await asyncio.gather(*(look(servers, one) for one in asked))

        tracemalloc.start()
        try:
            run(story, lambda: Servers(AllowList("", [one.url for one in liars])))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < 36 * 2**20


class Counted:
    """A server that keeps connections open, and counts them."""

    def __init__(self) -> None:
        self.made = self.open = 0
        self.hangs = False
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.made, self.open = self.made + 1, self.open + 1
        values = {"resultType": "scalar", "result": [NOW, str(NOW)]}
        body = json.dumps({"status": "success", "data": values}).encode()
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                while self.hangs:
                    await asyncio.sleep(0.01)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        finally:
            self.open -= 1


@asynccontextmanager
async def counted() -> AsyncIterator[Counted]:
    one = Counted()
    async with await asyncio.start_server(one.answer, "127.0.0.1", 0) as server:
        one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield one


async def closed(*found: Counted) -> bool:
    for _ in range(100):
        if not any(one.open for one in found):
            return True
        await asyncio.sleep(0.01)
    return False


def test_servers_keep_their_connections_until_the_operator_stops() -> None:
    async def story() -> None:
        async with counted() as one:
            servers = Servers(AllowList(one.url))
            for _ in range(20):
                await servers.of("").now()
            assert (one.made, one.open) == (1, 1)
            await servers.close()
            assert await closed(one)

    asyncio.run(story())


def test_server_that_was_not_asked_for_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MAX_SERVERS", 2)

    async def story() -> None:
        async with counted() as first, counted() as second, counted() as third:
            servers = Servers(AllowList("", [first.url, second.url, third.url]))
            for one in (first, second, first, third):
                await servers.of(one.url).now()
            assert await closed(second)
            assert (first.open, third.open) == (1, 1)

            # One with a request under way stays.
            third.hangs = True
            waits = asyncio.create_task(servers.of(third.url).now())
            await asyncio.sleep(0.05)
            await servers.of(first.url).now()
            await servers.of(second.url).now()
            third.hangs = False
            assert await waits == NOW
            await servers.close()
            assert await closed(first, second, third)

    asyncio.run(story())


def test_server_that_hangs_is_left_alone_until_one_policy_finds_it_well() -> None:
    now = [0.0]

    async def story() -> None:
        async with counted() as one:
            servers = Servers(AllowList(one.url), timeout_seconds=1, clock=lambda: now[0])
            served = policy()
            one.hangs = True
            for _ in range(MAX_FAILURES):
                assert (await look(servers, served)).problem.startswith("Prometheus: no answer")

            made = one.made
            problems = {(await look(servers, served)).problem for _ in range(50)}
            assert one.made == made
            (problem,) = problems
            assert "3 times in a row, so it is not asked until 2" in problem

            one.hangs = False
            now[0] += FIRST_PAUSE
            made = one.made
            found = await asyncio.gather(*(look(servers, served) for _ in range(10)))
            assert [bool(each.problem) for each in found].count(False) == 1
            assert one.made == made + 1
            assert not (await look(servers, replace(served, signals=()))).problem
            await servers.close()

    asyncio.run(story())
