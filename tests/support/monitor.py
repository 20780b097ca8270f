"""A real monitor: its process on a loopback port."""

import time
from pathlib import Path
from typing import Any

import httpx

from taxi_local.parts import MonitorProcess

TOKEN = "a-token-for-tests"
#: A busy machine needs as long for what takes a second.
WAIT_SECONDS = 90
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class Monitor(MonitorProcess):
    """One monitor."""

    def __init__(self, folder: Path, uri: str, **variables: str) -> None:
        often = {"TAXI_MONITOR_EVALUATION_SECONDS": "0.5"}
        super().__init__(folder, uri, TOKEN, **{**often, **variables})

    def post(self, path: str, body: object) -> httpx.Response:
        """Post JSON with the token."""
        return httpx.post(f"{self.url}{path}", json=body, headers=HEADERS, timeout=30)

    def get(self, path: str) -> dict[str, Any]:
        """Return what a route answers."""
        found: dict[str, Any] = httpx.get(f"{self.url}{path}", timeout=30).json()
        return found

    def champion(self, path: str) -> dict[str, Any]:
        """Return the champion's part of a report."""
        versions = self.get(path)["versions"]
        (one,) = [one for one in versions if one["model_role"] == "champion"]
        found: dict[str, Any] = one
        return found

    def wait(self, path: str, field: str, value: object) -> dict[str, Any]:
        """Wait until a field of the champion's report has a value."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            found = self.champion(path)
            if found[field] == value or (field == "window" and found["window"]["rows"] == value):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.2)

    def wait_for_evaluations(self) -> None:
        """Wait until the champion is evaluated with all that was taken by now.

        The next evaluation may have looked before; the one behind it has not.
        """
        for path in ("/v1/drift", "/v1/performance"):
            for _ in range(2):
                before = self.champion(path)["evaluated_at"]
                deadline = time.monotonic() + WAIT_SECONDS
                while self.champion(path)["evaluated_at"] == before:
                    assert time.monotonic() < deadline, f"{path}: not evaluated after {before}"
                    time.sleep(0.1)
