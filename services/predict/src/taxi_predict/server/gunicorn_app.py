"""gunicorn around the application: workers, their start and their end."""

from typing import TYPE_CHECKING, Any, Final

from gunicorn.app.base import BaseApplication

from taxi_domain.metrics import PREDICTOR_WORKER_RESTARTS
from taxi_predict.counter_files import forget_worker
from taxi_predict.server.delivery_process import DeliveryProcess, Supervisor
from taxi_predict.serving.readiness import WorkerReadiness
from taxi_predict.settings import Settings, metrics_folder
from taxi_runtime.callers import Callers
from taxi_runtime.options import OPTIONS
from taxi_runtime.ports import Application, bound_to
from taxi_runtime.restarts import Restarts

if TYPE_CHECKING:
    from taxi_predict.app import Worker

#: With the pause before the stop and the drain after it, below the chart's 45 seconds.
_GRACEFUL_SECONDS: Final = 15


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """The predictor under gunicorn.

    Threads and MongoDB clients are made in each worker: neither survives a fork.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._worker: Worker | None = None
        self._readiness = WorkerReadiness(settings.readiness_dir, settings.workers)
        self._callers = Callers(settings.callers) if settings.callers is not None else None
        self._restarts = Restarts(settings.restarts_file, PREDICTOR_WORKER_RESTARTS)
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options."""
        settings = self._settings
        options = {
            **OPTIONS,
            "bind": bound_to(settings.host, settings.port, settings.metrics_port),
            "workers": settings.workers,
            "worker_class": "taxi_runtime.worker.Worker",
            "worker_connections": settings.connections,
            "keepalive": settings.keepalive_seconds,
            "timeout": 30,
            "graceful_timeout": _GRACEFUL_SECONDS,
            "backlog": 512,
            "child_exit": self._child_exit,
            "worker_exit": self._worker_exit,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """Run until a signal ends it."""
        self._readiness.clear()
        self._restarts.begin()
        if not self._settings.log:
            super().run()
            return
        settings = self._settings
        delivery = DeliveryProcess(
            settings.spool_dir, settings.heartbeat_file, settings.drain_seconds
        )
        delivery.begin()
        Supervisor(self, delivery).run()

    def load(self) -> Application:
        """Build this worker's application; gevent has patched the standard library by now."""
        from taxi_predict.app import create_worker

        self._worker = create_worker(self._settings, self._readiness, self._restarts, self._callers)
        return self._worker.app

    def _worker_exit(self, _server: Any, _worker: Any) -> None:
        if self._worker is not None:
            self._worker.stop()

    def _child_exit(self, server: Any, worker: Any) -> None:
        forget_worker(metrics_folder(), worker.pid)
        self._readiness.mark_gone(worker.pid)
        self._restarts.ended(server)
