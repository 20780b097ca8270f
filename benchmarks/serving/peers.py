"""Other ways to serve the same graph, without any log, in environments of their own.

Each runs on one process and core, with access logs, metrics and compression off, and answers in its
event loop: the fastest that its settings allow.
"""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from peers.environments import environment, pinned
from support.predictor import PLAIN

from serving.arms import Arm, Bench, running
from taxi_domain.models import ONNX_FILE
from taxi_local.ports import free_port
from taxi_local.server_process import ServerProcess
from taxi_store.registry.artifacts import Artifact

_BENCHMARKS = Path(__file__).parents[1]
#: The environment of each.
_ENVIRONMENTS = {"fastapi": "fastapi", "bentoml": "platforms", "mlserver": "platforms"}
#: Row of the Open Inference Protocol.
_TENSORS = {
    "inputs": [
        {"name": "PULocationID", "shape": [1, 1], "datatype": "INT64", "data": [130]},
        {"name": "DOLocationID", "shape": [1, 1], "datatype": "INT64", "data": [205]},
        {"name": "trip_distance", "shape": [1, 1], "datatype": "FP32", "data": [3.66]},
    ]
}
#: None of them tells anybody that it runs.
_SILENT = {"BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "1"}


class PeerProcess(ServerProcess):
    """A server that may start processes in groups of their own, as BentoML does."""

    def pids(self) -> list[int]:
        """Return the pids of all its processes."""
        return [self.pid, *_descendants(self.pid)]

    def stop(self) -> None:
        """End all of them."""
        pids = self.pids() if self._process is not None else []
        super().stop()
        for pid in pids[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> Iterator[int]:
    with contextlib.suppress(FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                yield child
                yield from _descendants(child)


def versions() -> dict[str, str]:
    """Return the peers' pinned versions."""
    return {name: pinned(name, pins) for name, pins in _ENVIRONMENTS.items()} | {
        "uvicorn": pinned("uvicorn", "fastapi")
    }


@contextmanager
def peer_arms(bench: Bench, artifact: Artifact) -> Iterator[dict[str, Arm]]:
    """Run all peers on the artifact's graph."""
    folder = bench.subfolder("peers")
    graph = folder / "model.onnx"
    graph.write_bytes(artifact.files[ONNX_FILE])
    with ExitStack() as stack:

        def run(name: str, until: str) -> ServerProcess:
            process = PeerProcess("", folder / f"{name}.txt", {
                **_SILENT, "PYTHONPATH": str(_BENCHMARKS), "PEER_GRAPH": str(graph),
                "BENTOML_HOME": str(folder / "bentoml"),
            })  # fmt: skip
            scripts = environment(_ENVIRONMENTS[name]) / "bin"
            process.command = _command(name, scripts, folder, process.port)
            stack.enter_context(running(bench, process, until))
            return process

        yield {
            "fastapi": Arm(run("fastapi", "/readyz"), PLAIN),
            "bentoml": Arm(run("bentoml", "/readyz"), PLAIN),
            "mlserver": Arm(
                run("mlserver", "/v2/models/taxi/ready"), _TENSORS, "/v2/models/taxi/infer"
            ),
        }


def _command(name: str, scripts: Path, folder: Path, port: int) -> tuple[str, ...]:
    if name == "fastapi":
        return (str(scripts / "python"), "-m", "peers.fastapi_app", str(port))
    if name == "bentoml":
        return (
            str(scripts / "bentoml"), "serve", "peers.bentoml_app:Taxi", "--host", "127.0.0.1",
            "--port", str(port), "--working-dir", str(_BENCHMARKS),
        )  # fmt: skip
    return (str(scripts / "mlserver"), "start", str(_mlserver_folder(folder, port)))


def _mlserver_folder(folder: Path, port: int) -> Path:
    """Return a folder of MLServer's settings; it infers in its only process."""
    target = folder / "mlserver"
    target.mkdir()
    settings = {
        "host": "127.0.0.1", "http_port": port, "grpc_port": free_port(),
        "metrics_endpoint": None, "metrics_port": free_port(), "parallel_workers": 0,
        "debug": False, "gzip_enabled": False, "metrics_dir": str(target),
    }  # fmt: skip
    model = {"name": "taxi", "implementation": "peers.mlserver_app.Taxi"}
    (target / "settings.json").write_text(json.dumps(settings))
    (target / "model-settings.json").write_text(json.dumps(model))
    return target
