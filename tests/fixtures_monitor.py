"""A real monitor: its process on a loopback port."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from fixtures_mongod import free_port

TOKEN = "a-token-for-tests"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class Monitor:
    """One monitor process."""

    def __init__(self, folder: Path, uri: str, **variables: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "monitor.txt"
        self._env = {
            "TAXI_MONGODB_URI": uri,
            "TAXI_MONITOR_TOKEN": TOKEN,
            "TAXI_MONITOR_HOST": "127.0.0.1",
            "TAXI_MONITOR_PORT": str(self.port),
            "TAXI_MONITOR_EVALUATION_SECONDS": "0.5",
            "PYTHONPATH": ":".join(sys.path),
            "PATH": os.environ["PATH"],
            **variables,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, until: str = "/readyz") -> "Monitor":
        """Start and wait until a route answers 200."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "taxi_monitor.main"], env=self._env, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}{until}", timeout=5).status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.1)
        self.stop()
        raise AssertionError(self.printed())

    @property
    def pid(self) -> int:
        """Return the pid of gunicorn's master."""
        assert self._process is not None
        return self._process.pid

    def printed(self) -> str:
        """Return the end of what it printed."""
        return self._log.read_text()[-4000:]

    def kill(self) -> None:
        """End all its processes at once."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """End it, whatever state it is in."""
        self.kill()

    def post(self, path: str, body: object) -> httpx.Response:
        """Post JSON with the token."""
        return httpx.post(f"{self.url}{path}", json=body, headers=HEADERS, timeout=30)

    def get(self, path: str) -> dict[str, Any]:
        """Return what a route answers."""
        found: dict[str, Any] = httpx.get(f"{self.url}{path}", timeout=10).json()
        return found

    def champion(self, path: str) -> dict[str, Any]:
        """Return the champion's part of a report."""
        versions = self.get(path)["versions"]
        (one,) = [one for one in versions if one["model_role"] == "champion"]
        found: dict[str, Any] = one
        return found

    def wait(self, path: str, field: str, value: object) -> dict[str, Any]:
        """Wait until a field of the champion's report has a value."""
        for _ in range(150):
            found = self.champion(path)
            if found[field] == value or (field == "window" and found["window"]["rows"] == value):
                return found
            time.sleep(0.2)
        raise AssertionError(found)
