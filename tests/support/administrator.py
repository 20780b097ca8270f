"""Helm and kubectl of an administrator, on an API server without nodes."""

import base64
import json
import os
import subprocess
from pathlib import Path

from support.control_plane import OPERATOR, ControlPlane, program


class Cluster:
    """Programs that act on the API server as its administrator, in a namespace of their own."""

    def __init__(self, plane: ControlPlane, folder: Path, namespace: str) -> None:
        config = folder / "admin.json"
        text = plane.kubeconfig().read_text()
        config.write_text(text.replace(f'"token": "{OPERATOR}"', '"token": "admin"'))
        self._environment = {**os.environ, "KUBECONFIG": str(config), "HOME": str(folder)}
        self.namespace = namespace
        plane.api.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        )  # fmt: skip

    def run(self, name: str, *arguments: str, stdin: str = "") -> str:
        """Run kubectl or a helm; its errors fail the test."""
        done = subprocess.run(
            [program(name), *arguments, "--namespace", self.namespace],
            input=stdin, capture_output=True, text=True, timeout=240, env=self._environment,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def secrets(self) -> dict[str, dict[str, str]]:
        """Return the data of the chart's Secrets, by name."""
        found = json.loads(self.run("kubectl", "get", "secrets", "-o", "json"))["items"]
        return {
            one["metadata"]["name"]: {
                key: base64.b64decode(value).decode() for key, value in one["data"].items()
            }
            for one in found
            if one["type"] == "Opaque"
        }
