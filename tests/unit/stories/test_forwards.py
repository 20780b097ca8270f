"""A forwarded port: kubectl's output is read to its end, and what breaks is asked for again."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from support.waiting import wait_for

from taxi_domain.errors import NotAvailableError
from taxi_stories.forwards import Forward, patient_get
from taxi_stories.kubectl import Kubectl

#: More than a pipe holds.
CONNECTIONS = 10_000


@dataclass(frozen=True, slots=True)
class Scripted(Kubectl):
    """A kubectl that runs a script of Python in the place of the command."""

    script: str = ""

    def command(self, *words: str) -> list[str]:
        """Return the script's command line."""
        assert words[0] == "port-forward"
        return [sys.executable, "-ISc", self.script]


def forward(script: str) -> Forward:
    return Forward(Scripted("context", "ns", script), "service/any", 80)


def test_kubectl_goes_on_however_many_connections_it_tells_of(tmp_path: Path) -> None:
    done = tmp_path / "done"
    script = f"""
import pathlib, time
print("a warning\\nForwarding from 127.0.0.1:4711 -> 80", flush=True)
for _ in range({CONNECTIONS}):
    print("Handling connection for 4711", flush=True)
pathlib.Path({str(done)!r}).touch()
time.sleep(600)
"""
    with forward(script) as one:
        assert one.url() == "http://127.0.0.1:4711"
        wait_for("the last connection", done.exists)
        assert one.url() == "http://127.0.0.1:4711"


def test_a_port_that_does_not_open_is_told_with_the_words_of_kubectl() -> None:
    script = "import sys; sys.exit('error: service any has no pods')"

    with forward(script) as one, pytest.raises(NotAvailableError, match="any has no pods; look"):
        one.url(within_seconds=0)


def test_a_forward_that_ended_is_opened_anew(tmp_path: Path) -> None:
    ports, end = tmp_path / "ports", tmp_path / "end"
    script = f"""
import pathlib, time
ports, end = pathlib.Path({str(ports)!r}), pathlib.Path({str(end)!r})
text = ports.read_text() if ports.exists() else ""
ports.write_text(text + "x")
print(f"Forwarding from 127.0.0.1:{{4711 + len(text)}} -> 80", flush=True)
while text or not end.exists():
    time.sleep(0.05)
"""
    with forward(script) as one:
        assert one.url() == "http://127.0.0.1:4711"
        end.touch()
        wait_for("another port", lambda: one.url() == "http://127.0.0.1:4712")
        one.move()
        assert one.url() == "http://127.0.0.1:4713"


@contextmanager
def answering(*statuses: int) -> Iterator[str]:
    """Serve answers with these statuses, the last one for ever; 0 ends the connection."""
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = left.pop(0) if len(left) > 1 else left[0]
            if status:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        line = f"Forwarding from 127.0.0.1:{server.server_port}"
        yield f"import time; print({line!r}, flush=True); time.sleep(600)"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("statuses", [(200,), (0, 200), (503, 0, 200), (404,), (0, 422)])
def test_what_is_not_answered_is_asked_for_again(statuses: tuple[int, ...]) -> None:
    with answering(*statuses) as script, forward(script) as one:
        assert patient_get(one, "/", timeout_seconds=20).status_code == statuses[-1]


def test_patience_ends_with_the_last_answer_or_its_lack() -> None:
    with answering(503) as script, forward(script) as one:
        answer = patient_get(one, "/", timeout_seconds=20, patience_seconds=0)
        assert answer.status_code == 503

    with (
        answering(0) as script,
        forward(script) as one,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        patient_get(one, "/", timeout_seconds=20, patience_seconds=0)
