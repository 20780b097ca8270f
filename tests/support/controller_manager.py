"""The real controllers of Kubernetes, those that a test names, beside a control plane."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.control_plane import ADMIN, ControlPlane, Server, program
from taxi_local.ports import free_port


@contextmanager
def running_controllers(plane: ControlPlane, folder: Path, *names: str) -> Iterator[None]:
    """Run kube-controller-manager with a few of its controllers."""
    config, port = folder / "kubeconfig.json", free_port()
    cluster = {"server": plane.api_server.url, "insecure-skip-tls-verify": True}
    config.write_text(
        json.dumps(
            {
                "apiVersion": "v1", "kind": "Config", "current-context": "c",
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "c", "user": {"token": ADMIN}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            }
        )
    )  # fmt: skip
    manager = Server(
        folder / "controllers.log", f"https://127.0.0.1:{port}",
        program("kube-controller-manager"),
        "--kubeconfig", str(config), "--authentication-skip-lookup",
        "--controllers", ",".join(names), "--leader-elect=false",
        "--bind-address", "127.0.0.1", "--secure-port", str(port),
        "--cert-dir", str(folder / "certificates"),
    )  # fmt: skip
    try:
        manager.start("/healthz")
        yield
    finally:
        manager.kill()
