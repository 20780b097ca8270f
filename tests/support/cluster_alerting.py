"""An Alertmanager of the cluster's own operator, which the cluster's Prometheus notifies.

It stands in a namespace of its own and takes the AlertmanagerConfig of the release's. The cluster's
Prometheus gets it beside those that it notifies already, until the end.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from support.alertmanager import documented_config
from support.waiting import wait_for
from taxi_cluster import alertmanager, images, node_loading
from taxi_cluster.kind_cluster import CONTEXT
from taxi_domain.kube import PREDICTOR
from taxi_stories import parts
from taxi_stories.forwards import Forward
from taxi_stories.kubectl import Kubectl
from taxi_stories.release import Release

NAMESPACE = "taxi-alerting"
MONITORING = "monitoring"
VERSION = "v0.31.0"
_IMAGE = f"quay.io/prometheus/alertmanager:{VERSION}"
_SCRIPT = (Path(__file__).parent / "alerts_in_pod.py").read_text()
#: Prints the status of a page's answer.
_ASK = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
_RECEIVER = "receiver"
_NAME = "alerting"
_GROUP_TIMES = {"groupWait": "1s", "groupInterval": "5s"}
#: Rules and configuration reach Prometheus' pod when its kubelet brings them.
_BROUGHT_SECONDS = 300
_OURS = {"namespace": NAMESPACE, "name": "alertmanager-operated", "port": "web"}

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Told:
    """An alert of a notification that a receiver got.

    Attributes:
        at: When, in seconds since 1970, as are `began` and `ended`.
        receiver: Its name in the AlertmanagerConfig.
        group: Names of the labels that notifications are grouped by.
        together: How many alerts the notification had.
        status: firing or resolved.
        labels: Of the alert.
        runbook_url: Of its annotations.
        began: When it began to fire.
        ended: When it ended; long ago where it has not.
    """

    at: float
    receiver: str
    group: tuple[str, ...]
    together: int
    status: str
    labels: Labels
    runbook_url: str
    began: float
    ended: float

    def is_of(self, wanted: Labels) -> bool:
        """Tell whether the alert has these labels."""
        return wanted.items() <= self.labels.items()


class Alerting:
    """What receivers of a release's alerts were told, and what Alertmanager kept from them."""

    def __init__(self, release: Release, forward: Forward) -> None:
        self._release = release
        self._forward = forward
        self._kubectl = release.kubectl.within(NAMESPACE)

    def told(self) -> list[Told]:
        """Return all that receivers were told so far, in that order."""
        # Beside them there may be words about connections of probes.
        lines = [one for one in self._kubectl("logs", _RECEIVER).splitlines() if one[:1] == "{"]
        return [_told(json.loads(line)) for line in lines]

    def known(self) -> list[dict[str, Any]]:
        """Return the alerts of the release's namespace that fire, as Alertmanager's API does."""
        answer = httpx.get(
            f"{self._forward.url()}/api/v2/alerts", timeout=10,
            params={"filter": f'namespace="{self._release.kubectl.namespace}"'},
        )  # fmt: skip
        found: list[dict[str, Any]] = answer.raise_for_status().json()
        return found

    def inhibitors(self, wanted: Labels) -> set[str]:
        """Return the names of the alerts that inhibit one with these labels."""
        known = self.known()
        names = {one["fingerprint"]: one["labels"]["alertname"] for one in known}
        return {
            names.get(by, "an alert that has ended")
            for one in known if wanted.items() <= one["labels"].items()
            for by in one["status"]["inhibitedBy"]
        }  # fmt: skip

    def status_of(self, url: str) -> int:
        """Ask for a page from within the cluster; return the status of the answer."""
        return int(self._kubectl("exec", _RECEIVER, "--", "python", "-c", _ASK, url))


@contextmanager
def alerting(release: Release) -> Iterator[Alerting]:
    """Let an Alertmanager tell receivers of a release's alerts, as docs/alerting.md says."""
    kubectl = release.kubectl.within(NAMESPACE)
    _bring_image(release.kubectl.context)
    _remove(kubectl)  # what a run that was cut off left
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    try:
        for one in (*_receiver(release), _config(release.kubectl.namespace)):
            release.kubectl.within(one["metadata"]["namespace"]).apply(one)
        kubectl.apply(_alertmanager(release.kubectl.namespace))
        wait_for(
            "Alertmanager",
            lambda: kubectl.get("alertmanager", _NAME).get("status", {}).get("availableReplicas"),
            seconds=180,
        )
        kubectl("wait", "pod", _RECEIVER, "--for=condition=Ready", "--timeout=60s", timeout=70)
        with (
            _notified_by_prometheus(release.kubectl.within(MONITORING)),
            Forward(kubectl, f"service/{_OURS['name']}", 9093) as forward,
        ):
            _wait_for_prometheus(release)
            yield Alerting(release, forward)
    finally:
        _remove(kubectl)


def _bring_image(context: str) -> None:
    """Make Alertmanager's image where there is no registry; other clusters pull it."""
    if context != CONTEXT:
        return
    with images.build_folder() as folder:
        binary = folder / "alertmanager"
        binary.write_bytes(alertmanager.ensure().read_bytes())
        binary.chmod(0o755)
        images.from_binary(_IMAGE, binary, "/bin")
    node_loading.load([_IMAGE])


def _remove(kubectl: Kubectl) -> None:
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s", timeout=130)


def _receiver(release: Release) -> list[dict[str, Any]]:
    """Return a pod that takes notifications, in the predictor's image, and its Service."""
    deployment = parts.deployment(release.kubectl, release.name, PREDICTOR)
    pod = deployment["spec"]["template"]["spec"]
    container = pod["containers"][0]
    metadata = {"name": _RECEIVER, "namespace": NAMESPACE, "labels": {"app": _RECEIVER}}
    return [
        {
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {
                "automountServiceAccountToken": False, "securityContext": pod["securityContext"],
                "containers": [{
                    "name": _RECEIVER, "image": container["image"],
                    "imagePullPolicy": container.get("imagePullPolicy", "IfNotPresent"),
                    "securityContext": container["securityContext"],
                    "command": ["python", "-u", "-c", _SCRIPT],
                    "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
                }],
            },
        },
        {
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"selector": {"app": _RECEIVER}, "ports": [{"port": 8080}]},
        },
    ]  # fmt: skip


def _config(namespace: str) -> dict[str, Any]:
    """Return the documented AlertmanagerConfig with our receivers, which need not wait long."""
    found = documented_config(namespace)
    found["spec"]["route"] |= _GROUP_TIMES
    for one in found["spec"]["receivers"]:
        url = f"http://{_RECEIVER}.{NAMESPACE}:8080/{one['name']}"
        one["webhookConfigs"] = [{"url": url}]
    return found


def _alertmanager(namespace: str) -> dict[str, Any]:
    """Return an Alertmanager that takes the AlertmanagerConfigs of a namespace."""
    return {
        "apiVersion": "monitoring.coreos.com/v1", "kind": "Alertmanager",
        "metadata": {"name": _NAME, "namespace": NAMESPACE},
        "spec": {
            "image": _IMAGE, "imagePullPolicy": "IfNotPresent", "version": VERSION, "replicas": 1,
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
            "alertmanagerConfigSelector": {},
            "alertmanagerConfigNamespaceSelector": {
                "matchLabels": {"kubernetes.io/metadata.name": namespace}
            },
            "securityContext": {
                "runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 2000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        },
    }  # fmt: skip


@contextmanager
def _notified_by_prometheus(monitoring: Kubectl) -> Iterator[None]:
    """Add our Alertmanager to those that the cluster's Prometheus notifies."""
    (found,) = monitoring.get("prometheus")["items"]
    name = f"prometheus/{found['metadata']['name']}"
    before = found["spec"].get("alerting")
    others = [one for one in (before or {}).get("alertmanagers") or [] if one != _OURS]
    # As it was, but for what a run that was cut off left.
    after = {**before, "alertmanagers": others} if others else None

    def patch(alerting: dict[str, Any] | None) -> None:
        change = json.dumps({"spec": {"alerting": alerting}})
        monitoring("patch", name, "--type=merge", "-p", change)

    patch({"alertmanagers": [*others, _OURS]})
    try:
        yield
    finally:
        patch(after)


def _wait_for_prometheus(release: Release) -> None:
    """Wait until Prometheus has the release's rules and knows whom to tell."""
    group = f"{release.name}.{release.kubectl.namespace}"

    def ask(path: str) -> Any:
        answer = httpx.get(f"{forward.url()}/api/v1/{path}", timeout=15)
        return answer.raise_for_status().json()["data"]

    def ready() -> bool:
        groups = ask("rules?type=alert")["groups"]
        return any(one["name"] == group for one in groups) and bool(
            ask("alertmanagers")["activeAlertmanagers"]
        )

    monitoring = release.kubectl.within(MONITORING)
    with Forward(monitoring, "service/prometheus-operated", 9090) as forward:
        wait_for("rules and Alertmanager in Prometheus", ready, seconds=_BROUGHT_SECONDS)


def _told(line: dict[str, Any]) -> Told:
    began, ended = (datetime.fromisoformat(line.pop(one)).timestamp() for one in ("began", "ended"))
    return Told(**{**line, "group": tuple(line["group"])}, began=began, ended=ended)
