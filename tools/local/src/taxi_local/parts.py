"""Predictor and monitor as the chart runs them: the real processes with the real settings."""

from pathlib import Path

from taxi_local.ports import free_port
from taxi_local.server_process import ServerProcess


class PredictorProcess(ServerProcess):
    """A predictor's pod: gunicorn with its workers, and the delivery.

    Args:
        folder: Its disk: spool, model cache, metrics and log.
        uri: Of MongoDB.
        variables: More of its settings.
    """

    def __init__(self, folder: Path, uri: str, **variables: str) -> None:
        super().__init__("taxi_predict.server.main", folder / "log.txt", {})
        self.folder = folder
        metrics_port = free_port()
        self.metrics_url = f"http://127.0.0.1:{metrics_port}"
        self._variables |= {
            "TAXI_MONGODB_URI": uri,
            "TAXI_PREDICT_DATA_DIR": str(folder / "data"),
            "TAXI_PREDICT_HOST": "127.0.0.1",
            "TAXI_PREDICT_PORT": str(self.port),
            "TAXI_PREDICT_METRICS_PORT": str(metrics_port),
            "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
            **variables,
        }


class MonitorProcess(ServerProcess):
    """A monitor's pod.

    Args:
        folder: Where its log is.
        uri: Of MongoDB.
        token: That its writing routes ask for.
        variables: More of its settings.
    """

    def __init__(self, folder: Path, uri: str, token: str, **variables: str) -> None:
        super().__init__("taxi_monitor.main", folder / "monitor.txt", {})
        metrics_port = free_port()
        self.metrics_url = f"http://127.0.0.1:{metrics_port}"
        self._variables |= {
            "TAXI_MONGODB_URI": uri,
            "TAXI_MONITOR_TOKEN": token,
            "TAXI_MONITOR_HOST": "127.0.0.1",
            "TAXI_MONITOR_PORT": str(self.port),
            "TAXI_MONITOR_METRICS_PORT": str(metrics_port),
            **variables,
        }
