"""A real API server with its etcd on free loopback ports: a cluster without nodes.

Nothing acts on its objects but who a test lets act: no controller, no scheduler, no kubelet.
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from taxi_cluster import go_tools
from taxi_local.ports import free_port

PROGRAMS = (
    "etcd", "kube-apiserver", "kube-controller-manager", "prometheus", "helm", "helm3", "kubectl",
)  # fmt: skip
#: User of the operator's process; namespaces bind the chart's Role to it.
OPERATOR = "operator"
ADMIN = "admin"

Manifest = dict[str, Any]


def program(name: str) -> str:
    """Return the path of a program of the cluster builder; it is built when it is missing."""
    folder = os.environ.get("TAXI_GO_TOOLS")
    return str((Path(folder) if folder else go_tools.ensure(PROGRAMS)) / name)


class Server:
    """One process that answers HTTP, which a test may kill, stop and start again."""

    def __init__(self, log: Path, url: str, *command: str) -> None:
        self.url = url
        self._log = log
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, ready: str) -> None:
        """Start it and wait until a path answers 200."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + 180
        while not self._answers(ready):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self._log.read_text()[-2000:])
            time.sleep(0.1)

    def kill(self) -> None:
        """End it at once; nothing happens when it has ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def hang(self) -> None:
        """Stop it without ending it: connections stay open and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self, path: str) -> bool:
        try:
            return httpx.get(f"{self.url}{path}", verify=False, timeout=2).status_code == 200
        except httpx.TransportError:
            return False


_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_PATHS = {
    "Namespace": "/api/v1/namespaces",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "Service": "/api/v1/namespaces/{}/services",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Event": "/api/v1/namespaces/{}/events",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ResourceQuota": "/api/v1/namespaces/{}/resourcequotas",
    "ValidatingAdmissionPolicy": f"{_ADMISSION}/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": f"{_ADMISSION}/validatingadmissionpolicybindings",
    "DriftPolicy": "/apis/taxi-monitoring.io/v1alpha1/namespaces/{}/driftpolicies",
}


class Api:
    """What a test does to objects, as the administrator or as somebody whom he stands for."""

    def __init__(self, url: str, user: str = "") -> None:
        headers = {
            "Authorization": f"Bearer {ADMIN}",
            **({"Impersonate-User": user} if user else {}),
        }
        self._options: dict[str, Any] = {
            "base_url": url, "verify": False, "timeout": 20, "headers": headers,
        }  # fmt: skip
        self._threads = threading.local()

    @property
    def _client(self) -> httpx.Client:
        """A client for each thread: httpcore's pool may close a connection that another one uses.

        See https://github.com/encode/httpcore/issues/1110.
        """
        if not hasattr(self._threads, "client"):
            self._threads.client = httpx.Client(**self._options)
        client: httpx.Client = self._threads.client
        return client

    def refusal(self, method: str, manifest: Manifest, namespace: str, part: str = "") -> str:
        """Ask for a change without making it; return why it is refused, empty when it is not.

        Args:
            method: POST creates the object, PATCH merges what the manifest has into it.
            manifest: The object, or what changes of it.
            namespace: Where it is.
            part: Its subresource.
        """
        path = _PATHS[manifest["kind"]].format(namespace)
        kind = "application/json"
        if method == "PATCH":
            path += f"/{manifest['metadata']['name']}{part}"
            kind = "application/merge-patch+json"
        answer = self._client.request(
            method, path, params={"dryRun": "All"}, content=json.dumps(manifest),
            headers={"Content-Type": kind},
        )  # fmt: skip
        return answer.json().get("message", "unknown") if answer.is_error else ""

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """Return an object, None when there is none."""
        answer = self._client.get(f"{_PATHS[kind].format(namespace)}/{name}")
        return None if answer.status_code == 404 else _json(answer)

    def list(self, kind: str, namespace: str) -> list[Manifest]:
        """Return all objects of a kind."""
        items: list[Manifest] = _json(self._client.get(_PATHS[kind].format(namespace)))["items"]
        return items

    def apply(self, manifest: Manifest, namespace: str = "") -> Manifest:
        """Create or change an object by server-side apply."""
        return _json(
            self._client.patch(
                f"{_PATHS[manifest['kind']].format(namespace)}/{manifest['metadata']['name']}",
                params={"fieldManager": "test", "force": "true"}, content=json.dumps(manifest),
                headers={"Content-Type": "application/apply-patch+yaml"},
            )
        )  # fmt: skip

    def replace(self, manifest: Manifest, namespace: str = "") -> Manifest:
        """Put a manifest in the place of an object, as `kubectl replace` does."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        path = f"{_PATHS[kind].format(namespace)}/{name}"
        for _ in range(10):
            found = _json(self._client.get(path))
            version = {"resourceVersion": found["metadata"]["resourceVersion"]}
            body = {**manifest, "metadata": {**manifest["metadata"], **version}}
            answer = self._client.put(path, content=json.dumps(body))
            if answer.status_code != 409:
                return _json(answer)
        raise RuntimeError(f"PUT {path}: somebody else changes it all the time")

    def patch(self, kind: str, namespace: str, name: str, change: Manifest, part: str = "") -> None:
        """Change fields of an object, or of its subresource."""
        _json(
            self._client.patch(
                f"{_PATHS[kind].format(namespace)}/{name}{part}", content=json.dumps(change),
                headers={"Content-Type": "application/merge-patch+json"},
            )
        )  # fmt: skip

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object."""
        _json(self._client.delete(f"{_PATHS[kind].format(namespace)}/{name}"))


class RefusedError(RuntimeError):
    """A call that the API server answered with an error."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(f"{answer.request.method} {answer.request.url}: {answer.text}")
        self.status = answer.status_code


def _json(answer: httpx.Response) -> Manifest:
    if answer.is_error:
        raise RefusedError(answer)
    found: Manifest = answer.json()
    return found


class ControlPlane:
    """etcd and API server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "key.pem").write_bytes(_new_key())
        (folder / "tokens.csv").write_text(
            f"{ADMIN},{ADMIN},1,system:masters\n{OPERATOR},{OPERATOR},2\n"
        )
        clients, peers, port = free_port(), free_port(), free_port()
        etcd_url, peer_url = f"http://127.0.0.1:{clients}", f"http://127.0.0.1:{peers}"
        self.etcd = Server(
            folder / "etcd.log", etcd_url, program("etcd"), "--name", "one",
            "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync",
            "--listen-client-urls", etcd_url, "--advertise-client-urls", etcd_url,
            "--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url,
            "--initial-cluster", f"one={peer_url}",
        )  # fmt: skip
        self.api_server = Server(
            folder / "api.log", f"https://127.0.0.1:{port}", program("kube-apiserver"),
            "--etcd-servers", etcd_url, "--secure-port", str(port),
            "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1",
            "--endpoint-reconciler-type", "none", "--cert-dir", str(folder / "certificates"),
            "--token-auth-file", str(folder / "tokens.csv"), "--authorization-mode", "RBAC",
            "--disable-admission-plugins", "ServiceAccount",
            "--service-cluster-ip-range", "10.0.0.0/16",
            "--service-account-issuer", "https://kubernetes.default.svc",
            "--service-account-key-file", str(folder / "key.pem"),
            "--service-account-signing-key-file", str(folder / "key.pem"),
        )  # fmt: skip
        self.api = Api(self.api_server.url)

    def start_api_server(self) -> None:
        """Start the API server and wait until it can be used."""
        self.api_server.start("/readyz")

    def kubeconfig(self, url: str = "") -> Path:
        """Return the kubeconfig of the operator; it may ask another address."""
        path = self.folder / ("kubeconfig-elsewhere.json" if url else "kubeconfig.json")
        cluster = {"server": url or self.api_server.url, "insecure-skip-tls-verify": True}
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1", "kind": "Config", "current-context": "c",
                    "clusters": [{"name": "c", "cluster": cluster}],
                    "users": [{"name": "c", "user": {"token": OPERATOR}}],
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
                }
            )
        )  # fmt: skip
        return path


@contextmanager
def running_control_plane(folder: Path) -> Iterator[ControlPlane]:
    """Run a control plane."""
    plane = ControlPlane(folder)
    try:
        plane.etcd.start("/health")
        plane.start_api_server()
        yield plane
    finally:
        plane.api_server.kill()
        plane.etcd.kill()


def condition_of(found: Mapping[str, Any] | None, kind: str) -> tuple[str, str]:
    """Return status and reason of a condition; empty texts when it is not there."""
    for one in ((found or {}).get("status") or {}).get("conditions") or []:
        if one["type"] == kind:
            return one["status"], one["reason"]
    return "", ""


def _new_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
