"""Prometheus in namespace `monitoring`, selecting as kube-prometheus-stack does."""

import json
import tempfile
from pathlib import Path

from taxi_cluster import go_tools, images
from taxi_cluster.cache import key_of
from taxi_cluster.commands import run_logged
from taxi_cluster.errors import ClusterError
from taxi_cluster.kind_cluster import CONTEXT, Clients
from taxi_cluster.node_loading import load
from taxi_cluster.progress import step
from taxi_cluster.settings import Source

NAMESPACE = "monitoring"
_OPERATOR_MODULE = "github.com/prometheus-operator/prometheus-operator"
_VERSION = "v0.88.0"
_QUAY = "quay.io/prometheus-operator"
_IMAGES = {
    "prometheus-operator": f"{_QUAY}/prometheus-operator:{_VERSION}",
    "prometheus-config-reloader": f"{_QUAY}/prometheus-config-reloader:{_VERSION}",
    "prometheus": "quay.io/prometheus/prometheus:v3.10.0",
}
_PROMETHEUS = Path(__file__).parent / "monitoring" / "prometheus.yaml"
_CHART = "oci://ghcr.io/prometheus-community/charts/kube-prometheus-stack"
_DONE = "taxi-monitoring.io/stack"


def ensure(tools: Clients, source: Source) -> None:
    """Install Prometheus and wait until it answers queries."""
    key = key_of(_PROMETHEUS.read_bytes(), Path(__file__).read_bytes(), source)
    if _installed_key(tools) == key:
        _wait(tools)
        return
    if source is Source.REGISTRY:
        _install_chart(tools)
    else:
        _install_operator(tools)
    _wait(tools)
    tools.ask("annotate", "--overwrite", "namespace", NAMESPACE, f"{_DONE}={key}")


def _wait(tools: Clients) -> None:
    with step("waiting for Prometheus and its operator"):
        for kind in ("deployments", "prometheus"):
            tools.ask(
                "wait", "--for=condition=Available", kind, "--all", "-n", NAMESPACE,
                "--timeout=240s", timeout=260,
            )  # fmt: skip


def _installed_key(tools: Clients) -> str | None:
    found = tools.ask("get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "json")
    if not found.strip():
        return None
    return (json.loads(found)["metadata"].get("annotations") or {}).get(_DONE)


def _install_chart(tools: Clients) -> None:
    with step("installing kube-prometheus-stack"):
        run_logged(
            [tools.helm, "upgrade", "--install", "kube-prometheus-stack", _CHART,
             "--kube-context", CONTEXT, "--namespace", NAMESPACE, "--create-namespace",
             "--set", "alertmanager.enabled=false", "--wait", "--timeout", "600s"],
            "kube-prometheus-stack", timeout=630,
        )  # fmt: skip


def _install_operator(tools: Clients) -> None:
    folder = go_tools.ensure()
    for name, image in _IMAGES.items():
        images.from_binary(image, folder / name, "/bin")
    load(list(_IMAGES.values()))
    source = go_tools.module_source(_OPERATOR_MODULE) / "example"
    with step("installing the Prometheus operator"):
        crds = source / "prometheus-operator-crd"
        # Server-side: the CRDs are too large for the annotation of a client-side apply.
        tools.ask("apply", "--server-side", "--force-conflicts", "-f", str(crds), timeout=180)
        tools.ask(
            "wait", "--for=condition=Established", "--timeout=120s", "-f", str(crds), timeout=180
        )
        tools.ask("apply", "--server-side", "-f", "-", stdin=_namespace())
        with tempfile.TemporaryDirectory() as scratch:
            for path in sorted((source / "rbac" / "prometheus-operator").glob("*.yaml")):
                if path.name.endswith("service-monitor.yaml"):
                    continue
                text = path.read_text().replace("namespace: default", f"namespace: {NAMESPACE}")
                (Path(scratch) / path.name).write_text(text)
            tools.ask("apply", "--server-side", "--force-conflicts", "-f", scratch)
        tools.ask("apply", "--server-side", "--force-conflicts", "-f", str(_PROMETHEUS))
    _check_images(tools)


def _namespace() -> str:
    return json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})


def _check_images(tools: Clients) -> None:
    """Fail at once when the operator's manifests name another image than was loaded."""
    used = tools.ask(
        "get", "deployment", "prometheus-operator", "-n", NAMESPACE,
        "-o", "jsonpath={.spec.template.spec.containers[*].image}",
    )  # fmt: skip
    if used.strip() not in _IMAGES.values():
        raise ClusterError(f"the Prometheus operator's manifest wants {used}; update _IMAGES")
