"""Who acts on objects in a cluster without controllers, as far as the operator looks at it."""

import threading

import httpx

from support.control_plane import Api, Manifest
from taxi_operator.core.services import ACTIVE_LABEL


class Controllers:
    """Keep the status of Deployments and the EndpointSlices of active Services."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        #: Ready pods of each Deployment.
        self.ready: dict[str, int] = {}
        #: Deployments whose next pods do not come up, with what their status says then.
        self.stuck: dict[str, str] = {}
        #: Deployments whose condition Available is False, and since when.
        self.unavailable_since: dict[str, str] = {}
        self._follow = True
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def follow(self, *, follow: bool) -> None:
        """Let EndpointSlices follow the selectors, or leave them as they are from now on."""
        with self._lock:
            self._follow = follow

    def stop(self) -> None:
        """End."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def selected(self, service: Manifest | None) -> str:
        """Return the Deployment that a Service selects, empty when it is none."""
        selector = ((service or {}).get("spec") or {}).get("selector")
        for name in self.ready:
            found = self._api.get("Deployment", self._namespace, name)
            if found and selector == found["spec"]["selector"]["matchLabels"]:
                return name
        return ""

    def _run(self) -> None:
        while not self._end.wait(0.2):
            try:
                for name, ready in self.ready.items():
                    self._keep_deployment(name, ready)
                with self._lock:
                    for service in self._api.list("Service", self._namespace):
                        if self._follow and ACTIVE_LABEL in service["metadata"]["labels"]:
                            self._keep_endpoints(service)
            except (httpx.TransportError, RuntimeError):
                continue  # a test has broken the API server; it comes back

    def _keep_deployment(self, name: str, ready: int) -> None:
        found = self._api.get("Deployment", self._namespace, name)
        if found is None:
            return
        counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        wanted: Manifest = {"observedGeneration": found["metadata"]["generation"]}
        wanted |= dict.fromkeys(counts, ready)
        wanted["conditions"] = [
            *_progress(self.stuck.get(name)),
            *_unavailable("" if ready else self.unavailable_since.get(name, "")),
        ]
        status = found.get("status") or {}
        if any(status.get(key, type(value)()) != value for key, value in wanted.items()):
            self._api.patch("Deployment", self._namespace, name, {"status": wanted}, "/status")

    def _keep_endpoints(self, service: Manifest) -> None:
        selected, name = self.selected(service), service["metadata"]["name"]
        if not selected:
            return
        endpoint = {
            "addresses": ["10.1.0.1"], "conditions": {"ready": True},
            "targetRef": {"kind": "Pod", "name": f"{selected}-0"},
        }  # fmt: skip
        self._api.apply(
            {
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4", "endpoints": [endpoint] if self.ready[selected] else [],
                "ports": [{"name": "http", "port": 80}],
            },
            self._namespace,
        )  # fmt: skip


def _unavailable(since: str) -> list[Manifest]:
    """Return the condition of a Deployment that has had no available pod since some time."""
    if not since:
        return []
    return [{"type": "Available", "status": "False", "lastTransitionTime": since}]


def _progress(problem: str | None) -> list[Manifest]:
    """Return the conditions of a Deployment that goes on, or came to nothing."""
    if problem is None:
        return []
    reason = "ProgressDeadlineExceeded"
    return [{"type": "Progressing", "status": "False", "reason": reason, "message": problem}]
