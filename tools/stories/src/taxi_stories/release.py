"""Installing and removing the chart, for `make up`, the stories and the tests."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxi_domain.errors import TaxiError
from taxi_domain.kube import (
    ACTIVE,
    COMPONENT_LABEL,
    GROUP,
    INSTANCE_LABEL,
    MONITOR,
    PLURAL,
    REPORT,
)
from taxi_stories import parts
from taxi_stories.forwards import Forward
from taxi_stories.kubectl import CommandError, Kubectl, run
from taxi_stories.sender import Addresses

CHART = Path(__file__).parents[4] / "charts" / "taxi-monitoring"
_INSTALL_SECONDS = 600
#: Pods have up to a minute to end, and a namespace is looked at again half a minute apart.
_REMOVE_SECONDS = 300
_MAX_RESTARTS = 4
_NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}


class ReleaseError(TaxiError):
    """The release did not become healthy; the text says which pod and why."""


@dataclass(frozen=True, slots=True)
class Release:
    """One installation of the chart.

    Attributes:
        kubectl: Context and namespace.
        name: Helm release name; objects are found by it as a label, since values change names.
        helm: Path of the helm binary.
        chart: Folder or archive of the chart.
    """

    kubectl: Kubectl
    name: str = "taxi"
    helm: str = "helm"
    chart: Path = CHART

    def install(
        self,
        values: Mapping[str, object],
        *,
        say: Callable[[str], None] = lambda _: None,
        timeout_seconds: int = _INSTALL_SECONDS,
    ) -> None:
        """Install or upgrade and wait until everything is ready.

        Raises:
            ReleaseError: with the state of the pods that are not ready.
        """
        self.apply(values, timeout_seconds=timeout_seconds)
        self.wait(say, timeout_seconds=timeout_seconds)

    def apply(
        self, values: Mapping[str, object], *, timeout_seconds: int = _INSTALL_SECONDS
    ) -> None:
        """Install or upgrade; several releases may be waited for together then.

        Raises:
            ReleaseError: helm or the API server refuses it.
        """
        command = [
            self.helm, "upgrade", "--install", self.name, str(self.chart),
            "--kube-context", self.kubectl.context, "--namespace", self.kubectl.namespace,
            "--create-namespace", "--values", "-", "--timeout", f"{timeout_seconds}s",
        ]  # fmt: skip
        if self._owns_crds_elsewhere():
            command += ["--set", "crds.install=false"]
        try:
            run(command, stdin=json.dumps(values), timeout=timeout_seconds + 30)
        except CommandError as error:
            raise ReleaseError(f"{error}\n{self.describe()}") from error

    def wait(
        self,
        say: Callable[[str], None] = lambda _: None,
        *,
        timeout_seconds: int = _INSTALL_SECONDS,
    ) -> None:
        """Wait until everything is ready; say what is still missing when that changes.

        Raises:
            ReleaseError: with the state of the pods that are not ready.
        """
        deadline = time.monotonic() + timeout_seconds
        said = ""
        while True:
            try:
                waiting = self._waiting_for()
            except CommandError as error:  # a busy API server does not answer every call
                waiting = [str(error)]
            if not waiting:
                return
            text = ", ".join(waiting)
            if text != said:
                say(f"waiting for {text}")
                said = text
            if time.monotonic() > deadline:
                raise ReleaseError(
                    f"not ready after {timeout_seconds} s: {text}\n{self.describe()}"
                )
            time.sleep(2)

    def uninstall(self) -> None:
        """Remove the release, its data and its namespace."""
        if self.kubectl.namespace in {"default", "kube-system", "monitoring"}:
            raise ReleaseError(f"namespace {self.kubectl.namespace} is not removed by this command")
        namespace = self.kubectl.namespace
        if not self.kubectl("get", "namespace", namespace, "--ignore-not-found").strip():
            return
        if self.kubectl("get", "crd", f"{PLURAL}.{GROUP}", "--ignore-not-found").strip():
            self._delete(PLURAL, "--all")
        self.remove()
        self._delete("namespace", namespace)

    def remove(self) -> None:
        """Remove the release only: its data, its passwords, the CRD and policies stay."""
        run(
            [
                self.helm, "uninstall", self.name, "--ignore-not-found", "--wait",
                "--kube-context", self.kubectl.context, "--namespace", self.kubectl.namespace,
                "--timeout", f"{_REMOVE_SECONDS}s",
            ],
            timeout=_REMOVE_SECONDS + 20,
        )  # fmt: skip

    def describe(self) -> str:
        """Return the pods and the newest warnings, for an error's text."""
        pods = self.kubectl("get", "pods", "-o", "wide")
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp")
        return f"{pods}\n" + "\n".join(events.splitlines()[-12:])

    def addresses(self, predictor: Forward, monitor: Forward) -> Addresses:
        """Return where rides and labels of this release go."""
        return Addresses(predictor.url, monitor.url, parts.token(self.kubectl, self.name))

    def predictor(self) -> Forward:
        """Return a forward to the active Service."""
        return self._forward(ACTIVE)

    def monitor(self) -> Forward:
        """Return a forward to the monitor."""
        return self._forward(MONITOR)

    def _delete(self, *what: str) -> None:
        patience = f"--timeout={_REMOVE_SECONDS}s"
        self.kubectl("delete", *what, patience, timeout=_REMOVE_SECONDS + 20)

    def _forward(self, component: str) -> Forward:
        name, port = parts.service(self.kubectl, self.name, component)
        return Forward(self.kubectl, f"service/{name}", port)

    def _owns_crds_elsewhere(self) -> bool:
        """Tell whether another release owns the CRD: only one can render it."""
        found = self.kubectl(
            "get", "crd", f"{PLURAL}.{GROUP}", "--ignore-not-found",
            "-o", "go-template={{index .metadata.annotations \"meta.helm.sh/release-name\"}}/"
            "{{index .metadata.annotations \"meta.helm.sh/release-namespace\"}}",
        ).strip()  # fmt: skip
        return found not in {"", f"{self.name}/{self.kubectl.namespace}"}

    def _check_crashes(self, pods: list[dict[str, Any]]) -> None:
        """End the wait when a container keeps ending: more time would not help it."""
        for pod in pods:
            if "deletionTimestamp" in pod["metadata"]:
                continue
            for one in pod.get("status", {}).get("containerStatuses") or []:
                if one.get("restartCount", 0) >= _MAX_RESTARTS and not one.get("ready"):
                    name = pod["metadata"]["name"]
                    words = ("logs", name, "-c", one["name"], "--previous", "--tail=12")
                    raise ReleaseError(
                        f"pod {name}: container {one['name']} ended {one['restartCount']} times:\n"
                        f"{self.kubectl(*words)}"
                    )

    def _waiting_for(self) -> list[str]:
        # Whether a report could be made says nothing about what serves.
        selector = f"{INSTANCE_LABEL}={self.name},{COMPONENT_LABEL}!={REPORT}"
        pods = self.kubectl.get("pods", "-l", selector)["items"]
        self._check_crashes(pods)
        items = self.kubectl.get("deployments,statefulsets,jobs", "-l", selector)["items"]
        missing = [problem for item in items if (problem := _problem(item))]
        if not missing:
            active, _ = parts.service(self.kubectl, self.name, ACTIVE)
            slices = self.kubectl.get(
                "endpointslices", "-l", f"kubernetes.io/service-name={active}"
            )["items"]
            ready = [
                endpoint
                for one in slices
                for endpoint in one.get("endpoints") or []
                if endpoint.get("conditions", {}).get("ready")
            ]
            if not ready:
                missing.append("the active Service's endpoints")
        return missing + [text for pod in pods if (text := hindrance(pod))]


def hindrance(pod: Mapping[str, Any]) -> str | None:
    """Return what keeps a pod from starting, with the remedy; None when nothing does (yet)."""
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    for one in status.get("conditions") or []:
        if one["type"] == "PodScheduled" and one.get("reason") == "Unschedulable":
            return (
                f"pod {name} finds no node ({one.get('message')}): add a node, end other pods, or "
                "lower `resources` in the values"
            )
    for one in status.get("containerStatuses") or []:
        waiting = one.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in _NO_IMAGE:
            return (
                f"pod {name}: image {one.get('image')} cannot be had ({waiting.get('message')}): "
                "`make load`, or see that the nodes reach its registry and may pull from it"
            )
    return None


def _problem(item: Mapping[str, object]) -> str | None:
    """Return what a workload still lacks, None when it is done."""
    metadata, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    assert isinstance(metadata, dict)
    assert isinstance(spec, dict)
    assert isinstance(status, dict)
    name = metadata["name"]
    if item["kind"] == "Job":
        failed = [one for one in status.get("conditions", []) if one["type"] == "Failed"]
        if any(one["status"] == "True" for one in failed):
            raise ReleaseError(f"Job {name} failed: {failed[0].get('message')}; see its logs")
        return None if status.get("succeeded") else f"Job {name}"
    wanted = spec.get("replicas", 1)
    current = status.get("observedGeneration") == metadata["generation"]
    if current and status.get("readyReplicas", 0) >= wanted == status.get("updatedReplicas", 0):
        return None
    return f"{item['kind']} {name} ({status.get('readyReplicas', 0)}/{wanted})"
