"""A part that serves HTTP: its processes, on a loopback port."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import httpx

from taxi_local.ports import free_port

#: Ready within seconds; a machine that others use takes ten times as long.
_START_SECONDS = 120
_END_SECONDS = 10


class ServerProcess:
    """gunicorn's master and all that it starts, in a process group of its own.

    Args:
        module: Run as `python -m`.
        log: File that all output is added to, also over restarts.
        variables: Environment beside the paths.
    """

    def __init__(self, module: str, log: Path, variables: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        #: Base address of metrics and probes; parts of ours have a port of their own for them.
        self.metrics_url = self.url
        #: Without the prefix.
        self.command: tuple[str, ...] = (sys.executable, "-m", module)
        self._log = log
        #: Put before the command, for example `taskset -c 0`.
        self.prefix: tuple[str, ...] = ()
        self._variables = {
            "PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"], **variables,
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, until: str = "/readyz") -> Self:
        """Start and wait until a route of the probes answers 200."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.prefix, *self.command],
                env=self._variables, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                if httpx.get(f"{self.metrics_url}{until}", timeout=5).status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(self.printed())
            time.sleep(0.1)

    @property
    def pid(self) -> int:
        """Return the pid of gunicorn's master."""
        assert self._process is not None
        return self._process.pid

    def pids(self) -> list[int]:
        """Return the pids of all its processes."""
        found = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return [pid for pid in found if _group_of(pid) == self.pid]

    def printed(self) -> str:
        """Return the end of what it printed."""
        return self._log.read_text()[-4000:]

    def kill(self) -> None:
        """Kill all its processes at once, as the end of a container does."""
        os.killpg(self.pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        # The others end a moment later, and write to their disk until then.
        deadline = time.monotonic() + _END_SECONDS
        while self.pids() and time.monotonic() < deadline:
            time.sleep(0.01)

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            self.kill()


def _group_of(pid: int) -> int:
    """Return the process group; 0 of a process that has ended, also when nobody asked for it."""
    try:
        state, _, group = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:3]
    except (OSError, ValueError):
        return 0
    return 0 if state == "Z" else int(group)
