"""Process entry: `python -m taxi_monitor.main`."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from taxi_domain.metrics import MONITOR_WORKER_RESTARTS
from taxi_monitor.app import Monitor, create_monitor
from taxi_monitor.http.access import Tokens
from taxi_monitor.settings import Settings
from taxi_runtime.memory import keep_little
from taxi_runtime.options import OPTIONS
from taxi_runtime.ports import Application, bound_to
from taxi_runtime.process import run_service
from taxi_runtime.restarts import Restarts


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """One worker: two processes would answer with two windows in turn."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tokens = Tokens(
            settings.token, settings.tokens, reading_closed=settings.reading_closed
        )
        self._monitor: Monitor | None = None
        folder = Path(tempfile.mkdtemp(prefix="taxi-monitor-"))
        self._restarts = Restarts(folder / "worker-restarts", MONITOR_WORKER_RESTARTS)
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options."""
        options = {
            **OPTIONS,
            "bind": bound_to(self._settings.host, self._settings.port, self._settings.metrics_port),
            "workers": 1,
            "worker_class": "taxi_runtime.worker.UnpatchedWorker",
            "worker_connections": self._settings.connections,
            "keepalive": self._settings.keepalive_seconds,
            "timeout": 60,
            "graceful_timeout": 20,
            "worker_exit": self._worker_exit,
            "child_exit": self._child_exit,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """Run until a signal ends it."""
        keep_little()
        self._restarts.begin()
        super().run()

    def load(self) -> Application:
        """Build the application in the worker and start to follow the log."""
        self._monitor = create_monitor(self._settings, self._restarts, self._tokens)
        self._monitor.start()
        return self._monitor.app

    def _worker_exit(self, _server: Any, _worker: Any) -> None:
        if self._monitor is not None:
            self._monitor.stop()

    def _child_exit(self, server: Any, _worker: Any) -> None:
        self._restarts.ended(server)


if __name__ == "__main__":
    sys.exit(run_service(Settings, lambda settings: Server(settings).run()))
