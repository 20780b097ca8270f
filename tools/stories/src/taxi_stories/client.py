"""A client of the active Service in a pod: what another pod notices, and nothing in between."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from taxi_domain.kube import ACTIVE, PREDICTOR
from taxi_stories import parts
from taxi_stories.release import Release

_SCRIPT: Final = (Path(__file__).parent / "client_in_pod.py").read_text()
_POD: Final = "client"
_READY_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Load:
    """What a client sends.

    Attributes:
        rate: Requests a second.
        row: A row, but for its id.
        key: Name of the id, which is new each time.
    """

    rate: float
    row: Mapping[str, object]
    key: str


@dataclass(frozen=True, slots=True)
class Counts:
    """What a client was answered so far.

    Attributes:
        answered: Requests that were answered as they should be.
        failed: All others.
        failures: The first of them, in words.
        versions: Model versions of the answers of the last second.
    """

    answered: int
    failed: int
    failures: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()


class Client:
    """Asks for a row again and again, by a new connection each time.

    A context manager that removes its pod.
    """

    def __init__(self, release: Release, load: Load) -> None:
        self._release = release
        self._load = load

    def __enter__(self) -> Self:
        """Start it and wait until its pod runs."""
        self._remove()
        kubectl = self._release.kubectl
        kubectl.apply(client_pod(self._release, _POD, self._load, tells=True))
        kubectl(
            "wait", "pod", _POD, "--for=condition=Ready", f"--timeout={_READY_SECONDS}s",
            timeout=_READY_SECONDS + 10,
        )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the pod."""
        self._remove()

    def counts(self) -> Counts | None:
        """Return what was counted up to the last second; None in the first one."""
        line = self._release.kubectl("logs", _POD, "--tail=1").strip()
        if not line.startswith("{"):
            return None
        found = json.loads(line)
        return Counts(
            found["answered"], found["failed"], tuple(found["failures"]), tuple(found["versions"])
        )

    def _remove(self) -> None:
        self._release.kubectl(
            "delete", "pod", _POD, "--ignore-not-found", "--grace-period=0", "--force"
        )


def client_pod(release: Release, name: str, load: Load, *, tells: bool = False) -> dict[str, Any]:
    """Return a pod that sends a row to the active Service until it is ended.

    Args:
        release: Whose Service; the predictor's image has all that is needed.
        name: Name of the pod.
        load: What it sends.
        tells: It prints what it counts each second, and opens a connection for each request.
    """
    deployment = parts.deployment(release.kubectl, release.name, PREDICTOR)
    spec = deployment["spec"]["template"]["spec"]
    container = spec["containers"][0]
    service, port = parts.service(release.kubectl, release.name, ACTIVE)
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never", "automountServiceAccountToken": False,
            "securityContext": spec["securityContext"],
            "containers": [{
                "name": "client", "image": container["image"],
                "imagePullPolicy": container.get("imagePullPolicy", "IfNotPresent"),
                "securityContext": container["securityContext"],
                # Without any, it gets what the pods that it asks leave of a busy node: nothing.
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                "command": ["python", "-u", "-c", _SCRIPT,
                            f"http://{service}:{port}/predict", str(load.rate),
                            json.dumps(load.row), load.key, *(["tell"] if tells else [])],
            }],
        },
    }  # fmt: skip
