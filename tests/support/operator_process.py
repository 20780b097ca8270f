"""The operator's real process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.waiting import NO_ANSWER
from taxi_local.ports import free_port

#: An answer takes milliseconds; on a busy machine one takes seconds, and tells as much then.
_ANSWER_SECONDS = 30


def eventually(what: str, check: Callable[[], Any], seconds: float = 90) -> Any:
    """Ask again and again until the answer is true, and return it.

    A server that a test has just broken, or a busy one, does not answer every call.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = last = check()
        except NO_ANSWER as error:
            answer, last = None, error
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:.0f} s, last: {last!r}")
        time.sleep(0.1)


class OperatorProcess:
    """One operator; killed by its pid."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self._health, self._metrics = free_port(), free_port()
        self._log = folder / "operator.log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "taxi_operator.main"], stdout=log, stderr=log,
                env={
                    "PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path),
                    "TAXI_OPERATOR_HEALTH_PORT": str(self._health),
                    "TAXI_OPERATOR_METRICS_PORT": str(self._metrics), **variables,
                },
            )  # fmt: skip

    def kill(self) -> None:
        """End it as a lost node would."""
        self.process.kill()
        self.process.wait()

    def hang(self) -> None:
        """Stop it without ending it, as a node that is suspended does."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on with what it knew."""
        self.process.send_signal(signal.SIGCONT)

    def wait_for_death(self, seconds: float = 120) -> int:
        """Wait until it ended by itself; return the exit code."""
        return self.process.wait(seconds)

    def memory_bytes(self) -> int:
        """Return its resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (one for one in status.splitlines() if one.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def cpu_seconds(self) -> float:
        """Return the time that it has worked."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_well(self) -> bool:
        """Ask what the kubelet asks."""
        try:
            url = f"http://127.0.0.1:{self._health}/healthz"
            answer = httpx.get(url, timeout=_ANSWER_SECONDS)
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    def reconciles(self, policy: str = "p") -> float:
        """Return how many reconciles of a policy ended."""
        return self.metric("taxi_operator_reconciles_total", f'policy="{policy}"')

    def metric(self, name: str, label: str = "") -> float:
        """Return the sum of a metric's series that have a label."""
        return sum(self.metric_values(name, label))

    def metric_values(self, name: str, label: str = "") -> list[float]:
        """Return the values of a metric's series that have a label."""
        try:
            url = f"http://127.0.0.1:{self._metrics}/metrics"
            page = httpx.get(url, timeout=_ANSWER_SECONDS).text
        except httpx.TransportError:
            return []
        return [
            float(line.rsplit(" ", 1)[1])
            for line in page.splitlines()
            if line.startswith(name) and label in line
        ]

    def reconcile(self, times: int = 2, policy: str = "p") -> None:
        """Wait until a policy was evaluated some more times."""
        before = self.reconciles(policy)
        eventually(f"{times} reconciles", lambda: self.reconciles(policy) >= before + times)
