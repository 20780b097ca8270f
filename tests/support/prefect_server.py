"""A Prefect server of its own, without a word to anybody outside."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from taxi_local.ports import free_port

#: The server imports and migrates for half a minute on a busy machine.
START_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Server:
    """A Prefect server: its process and the address of its API."""

    process: "subprocess.Popen[bytes]"
    url: str

    def kill(self) -> None:
        """End it at once, with all that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def found(self, route: str) -> list[dict[str, Any]]:
        """Return all objects of a kind that the server has."""
        answer = httpx.post(f"{self.url}/{route}", json={}, timeout=30)
        answer.raise_for_status()
        objects: list[dict[str, Any]] = answer.json()
        return objects


@contextmanager
def running_prefect(home: Path) -> Iterator[Server]:
    """Run a Prefect server with a database of its own."""
    port = free_port()
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1",
             "--port", str(port), "--no-ui"],
            env={**os.environ, **quiet(home)}, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    server = Server(process, f"http://127.0.0.1:{port}/api")
    try:
        wait_until_it_answers(process, server.url, home / "log")
        yield server
    finally:
        server.kill()


def quiet(home: Path) -> dict[str, str]:
    """Return the environment of Prefect without a word to anybody outside, and with few retries."""
    return {
        "PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1",
        "PREFECT_CLIENT_MAX_RETRIES": "2",
    }  # fmt: skip


def wait_until_it_answers(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    """Wait for the server's API."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text()[-2000:])
        time.sleep(0.3)
