"""A local port that leads to a Service, opened again whenever it breaks.

`kubectl port-forward` picks one pod and ends when that pod goes (a promotion rolls the
predictor), so the user of a forward asks for its address before each request.
"""

import re
import subprocess
import threading
import time
from types import TracebackType
from typing import IO, Final, Self

import httpx
import tenacity

from taxi_domain.errors import NotAvailableError
from taxi_stories.kubectl import Kubectl

_FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
_OPEN_SECONDS = 20.0
_MAX_WORDS: Final = 2000
#: How long it is asked for what is not answered, and the pauses between.
_PATIENCE_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = (0.5, 2.0)


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
        said = _Said(self._process.stdout)
        port = said.port(_OPEN_SECONDS)
        if port is not None:
            self._local_port = port
            return None
        self.close()
        return said.words.strip() or "port-forward did not open"


class _Said:
    """What kubectl prints, read to its end.

    It prints a line for each connection, and serves none any more once nobody reads them and the
    pipe is full.
    """

    def __init__(self, output: IO[str]) -> None:
        self._output = output
        self._port: int | None = None
        self._is_known = threading.Event()
        #: Up to the line with the port.
        self.words = ""
        threading.Thread(target=self._read, daemon=True).start()

    def port(self, within_seconds: float) -> int | None:
        """Return the local port; None when kubectl ended, or did not say it in time."""
        self._is_known.wait(within_seconds)
        return self._port

    def _read(self) -> None:
        with self._output:
            for line in self._output:
                if self._is_known.is_set():
                    continue
                self.words = f"{self.words}{line}"[-_MAX_WORDS:]
                if match := _FORWARDING.search(line):
                    self._port = int(match.group(1))
                    self._is_known.set()
        self._is_known.set()


def patient_get(
    forward: Forward,
    path: str,
    *,
    timeout_seconds: float,
    parameters: dict[str, str] | None = None,
    patience_seconds: float = _PATIENCE_SECONDS,
) -> httpx.Response:
    """Get a page through a forward; no answer, or one of the 500s, is asked for again.

    Raises:
        httpx.TransportError: it was never answered.
        NotAvailableError: the Service has no ready pod.
    """

    def move(state: tenacity.RetryCallState) -> None:
        if state.outcome is not None and state.outcome.failed:
            forward.move()  # one that goes on may lead nowhere any more

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(httpx.TransportError)
        | tenacity.retry_if_result(lambda answer: answer.is_server_error),
        wait=tenacity.wait_random(*_PAUSE_SECONDS),
        stop=tenacity.stop_after_delay(patience_seconds),
        before_sleep=move,
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )
    # The port may have to be opened anew, so the address is asked for each time.
    answer: httpx.Response = retrying(
        lambda: httpx.get(f"{forward.url()}{path}", params=parameters, timeout=timeout_seconds)
    )
    return answer
