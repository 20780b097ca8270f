"""A local port that leads to a Service, opened again whenever it breaks.

`kubectl port-forward` picks one pod and ends when that pod goes (a promotion rolls the
predictor), so the user of a forward asks for its address before each request.
"""

import re
import selectors
import subprocess
import threading
import time
from types import TracebackType
from typing import Self

from taxi_domain.errors import NotAvailableError
from taxi_stories.kubectl import Kubectl

_FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
_OPEN_SECONDS = 20.0


class Forward:
    """One forwarded Service; a context manager that ends its kubectl."""

    def __init__(self, kubectl: Kubectl, target: str, port: int | str) -> None:
        self._kubectl = kubectl
        self._target = target
        self._port = port
        self._process: subprocess.Popen[str] | None = None
        self._local_port = 0
        self._moved = threading.Event()

    def __enter__(self) -> Self:
        """Return itself; the port opens at the first use."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End kubectl."""
        self.close()

    def url(self, within_seconds: float = 60.0) -> str:
        """Return ``http://127.0.0.1:port``, opened anew when it is not open.

        Raises:
            NotAvailableError: the Service has no ready pod for `within_seconds`.
        """
        deadline = time.monotonic() + within_seconds
        if self._moved.is_set():
            self._moved.clear()
            self.close()
        while True:
            if self._process is not None and self._process.poll() is None:
                return f"http://127.0.0.1:{self._local_port}"
            problem = self._open()
            if problem is None:
                continue
            if time.monotonic() > deadline:
                raise NotAvailableError(
                    f"{self._target} in namespace {self._kubectl.namespace}: {problem}; "
                    "look at `kubectl get pods,endpointslices` there"
                )
            time.sleep(1.0)

    def move(self) -> None:
        """Let the next use, in whichever thread, open it anew: the Service has other pods now."""
        self._moved.set()

    def close(self) -> None:
        """End kubectl if it runs."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def _open(self) -> str | None:
        self.close()
        command = self._kubectl.command(
            "port-forward", "--address", "127.0.0.1", self._target, f":{self._port}"
        )
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None  # because of PIPE
        printed = ""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            deadline = time.monotonic() + _OPEN_SECONDS
            while time.monotonic() < deadline:
                if not selector.select(1.0):
                    continue
                line = self._process.stdout.readline()
                if not line:
                    break
                printed += line
                if match := _FORWARDING.search(line):
                    self._local_port = int(match.group(1))
                    return None
        self.close()
        return printed.strip() or "port-forward did not open"
