"""gunicorn's master, which looks after the delivery too."""

import contextlib
import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from taxi_predict.counter_files import forget_worker
from taxi_predict.heartbeat import Heartbeat
from taxi_predict.identity import IDENTITY
from taxi_predict.settings import metrics_folder
from taxi_predict.spool.segments import SUFFIX

logger = logging.getLogger(__name__)

_STALE_SECONDS: Final = 60.0
#: At the end there is less time: several signs of life in a second, and a few seconds to start.
_SILENT_SECONDS: Final = 8.0
_LOOK_SECONDS: Final = 0.1
_RESTART_SECONDS: Final = (1.0, 30.0)
#: A worker that was killed at last gives up its segment's lock meanwhile.
_REPLACE_SECONDS: Final = 0.5
#: For the last batch, and for ending.
_GRACE_SECONDS: Final = 5.0


class DeliveryProcess:
    """The delivery, started and started again; a hung one is killed.

    A process of its own, because delivering takes the interpreter's lock from requests.
    """

    def __init__(self, folder: Path, heartbeat: Path, drain_seconds: float) -> None:
        self._folder = folder
        self._heartbeat = heartbeat
        self._drain_seconds = drain_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._pause = 0.0

    def begin(self) -> None:
        """Let the time without a sign of life count from now."""
        self._folder.mkdir(parents=True, exist_ok=True)
        Heartbeat(self._heartbeat).begin()

    def ensure(self) -> None:
        """Start it unless it runs; after an early death a little later each time."""
        now = time.monotonic()
        if self._process is not None and self._process.poll() is None:
            self._kill_when_hung()
            return
        if self._process is not None:
            forget_worker(metrics_folder(), IDENTITY)
            shortest, longest = _RESTART_SECONDS
            lived = now - self._started_at
            self._pause = min(max(self._pause * 2, shortest), longest)
            self._pause = shortest if lived > _STALE_SECONDS else self._pause
            logger.error("delivery died and is started again", extra={"pause": self._pause})
            self._process = None
            self._started_at = now + self._pause * random.uniform(0.5, 1.0)
        if now >= self._started_at:
            self._process = _started()
            self._started_at = now

    def stop(self) -> None:
        """Let it deliver what waits, and end; one that dies or hangs is replaced: the disk goes."""
        end = time.monotonic() + self._drain_seconds
        if self._process is not None:
            self._process.terminate()
            self._await_end(self._process, end + _GRACE_SECONDS)
        while self._remains() and time.monotonic() < end:
            # Its exit code says nothing: gunicorn may have collected it.
            logger.error("delivery ended too early and is replaced")
            time.sleep(_REPLACE_SECONDS)
            self._started_at = time.monotonic()
            self._process = _started("--drain")
            self._await_end(self._process, end + _GRACE_SECONDS)

    def _await_end(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        """Wait until it has ended; one that hangs or is late is killed."""
        killed = False
        while process.poll() is None and time.monotonic() < deadline:
            silence = self._silence()
            # One that has not spoken yet only starts, which is slow where the node is busy.
            if silence is not None and silence > _SILENT_SECONDS and not killed:
                logger.error("delivery hangs and is killed", extra={"seconds": silence})
                process.kill()
                killed = True
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_SECONDS)
        if process.poll() is None:
            logger.warning("delivery did not end in time and is killed")
            process.kill()

    def _remains(self) -> bool:
        """Tell whether there are segments: a delivered one is removed when its worker is gone."""
        return any(self._folder.glob(f"*{SUFFIX}"))

    def _silence(self) -> float | None:
        """Return how long ago this process gave its last sign of life, s; None before the first."""
        lived = time.monotonic() - self._started_at
        with contextlib.suppress(FileNotFoundError):
            age = time.time() - self._heartbeat.stat().st_mtime
            if age < lived:
                return age
        return None

    def _kill_when_hung(self) -> None:
        assert self._process is not None
        silence = self._silence()
        if silence is None:
            silence = time.monotonic() - self._started_at
        if silence > _STALE_SECONDS:
            logger.error("delivery stands still and is killed", extra={"seconds": silence})
            os.kill(self._process.pid, signal.SIGKILL)


def _started(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "taxi_predict.delivery.main", *arguments])


class Supervisor(Arbiter):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's master, which looks after the delivery as it does after its workers."""

    def __init__(self, app: BaseApplication, delivery: DeliveryProcess) -> None:
        super().__init__(app)
        self._delivery = delivery

    def manage_workers(self) -> None:
        """Keep workers and delivery running; called about once a second."""
        super().manage_workers()
        self._delivery.ensure()

    def stop(self, graceful: bool = True) -> None:
        """End the workers first: nothing is appended any more when the delivery drains."""
        super().stop(graceful)
        self._delivery.stop()
