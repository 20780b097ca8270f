"""gunicorn's master, which looks after the delivery too."""

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

from taxi_predict.metrics import forget_worker
from taxi_predict.shifts import BEAT_FILE

logger = logging.getLogger(__name__)

_STALE_SECONDS: Final = 60.0
_RESTART_SECONDS: Final = (1.0, 30.0)


class DeliveryProcess:
    """The delivery, started and started again; a hung one is killed.

    A process of its own, because delivering takes the interpreter's lock from requests.
    """

    def __init__(self, folder: Path, drain_seconds: float) -> None:
        self._beat = folder / BEAT_FILE
        self._drain_seconds = drain_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._pause = 0.0

    def ensure(self) -> None:
        """Start it unless it runs; after an early death a little later each time."""
        now = time.monotonic()
        if self._process is not None and self._process.poll() is None:
            self._kill_when_hung(now)
            return
        if self._process is not None:
            forget_worker(self._process.pid)
            shortest, longest = _RESTART_SECONDS
            lived = now - self._started_at
            self._pause = min(max(self._pause * 2, shortest), longest)
            self._pause = shortest if lived > _STALE_SECONDS else self._pause
            logger.error("delivery died and is started again", extra={"pause": self._pause})
            self._process = None
            self._started_at = now + self._pause * random.uniform(0.5, 1.0)
        if now >= self._started_at:
            self._process = subprocess.Popen([sys.executable, "-m", "taxi_predict.deliver"])
            self._started_at = now

    def stop(self) -> None:
        """Let it deliver what waits, and end."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(self._drain_seconds + 5)
        except subprocess.TimeoutExpired:
            logger.warning("delivery did not end in time and is killed")
            self._process.kill()

    def _kill_when_hung(self, now: float) -> None:
        assert self._process is not None
        if now - self._started_at < _STALE_SECONDS:
            return
        try:
            age = time.time() - self._beat.stat().st_mtime
        except FileNotFoundError:
            age = now - self._started_at
        if age > _STALE_SECONDS:
            logger.error("delivery stands still and is killed", extra={"seconds": age})
            os.kill(self._process.pid, signal.SIGKILL)


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
