"""A namespace with many policies, each with a model, a Service and two Deployments of its own."""

import json
import random
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.control_plane import OPERATOR, Api, ControlPlane, Manifest
from support.operator_process import OperatorProcess
from support.policy_namespace import CHAMPION, FALLBACK, SERVICE, object_of_chart
from support.prometheus import Exporter

from taxi_operator.core.decisions import Traffic
from taxi_operator.core.services import DEPLOYMENT_ANNOTATIONS

INTERVAL = 30
#: What the names of policies begin with whose servers hang later, and of all others.
HUNG, WELL = "hung", "well"
SIGNALS = ("inputs", "error", "own")
_AT_ONCE = 4


class Flickering(Exporter):
    """Says of each signal of each policy a value that is another one at each look."""

    def __init__(self) -> None:
        self._policies: dict[tuple[str, str], dict[str, float]] = {}
        self._random = random.Random(1)
        super().__init__()

    def add(self, namespace: str, policies: Iterable[str]) -> None:
        """Begin to speak of policies."""
        for one in policies:
            self._policies[namespace, one] = dict.fromkeys(SIGNALS, 0.2)

    def breach(self, namespace: str, policies: Iterable[str]) -> None:
        """Let the first signal of policies be breached from now on."""
        for one in policies:
            self._policies[namespace, one][SIGNALS[0]] = 2.0

    def page(self) -> str:
        """Return the text."""
        lines = []
        for (namespace, policy), values in list(self._policies.items()):
            of = f'ns="{namespace}",model="{policy}"'
            lines.append(f"bench_age{{{of}}} {self._random.uniform(0, 9):.3f}")
            for signal, value in values.items():
                score = value * self._random.uniform(0.9, 1.1)
                lines.append(f'bench_score{{{of},signal="{signal}"}} {score:.6f}')
                rows = self._random.randint(4000, 5000)
                lines.append(f'bench_rows{{{of},signal="{signal}"}} {rows}')
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Settings:
    """Where the operators of a fleet find everything.

    Attributes:
        folder: For their logs.
        plane: The control plane.
        prometheus: Address of the server that answers.
        hung: Addresses of servers that do not.
        mongodb: Address of the registry.
    """

    folder: Path
    plane: ControlPlane
    prometheus: str
    hung: list[str]
    mongodb: str


class Fleet:
    """The objects of one namespace; nobody but an operator acts on them.

    Args:
        namespace: Its name.
        count: Policies.
        settings: Where everything is.
    """

    def __init__(self, namespace: str, count: int, settings: Settings) -> None:
        self.namespace = namespace
        first = len(settings.hung)
        self.policies = [
            f"{HUNG if number < first else WELL}-{number:03d}" for number in range(count)
        ]
        self._settings = settings
        self._api: Api = settings.plane.api

    def build(self) -> None:
        """Make all objects."""
        api, namespace = self._api, self.namespace
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        api.apply(manifest)
        binding, role = (
            object_of_chart("RoleBinding", "taxi-operator"),
            object_of_chart("Role", "taxi-operator"),
        )
        group = "rbac.authorization.k8s.io"
        binding["subjects"] = [{"kind": "User", "name": OPERATOR, "apiGroup": group}]
        for rule in role["rules"]:
            rule.pop("resourceNames", None)
        for one in (role, binding, object_of_chart("CronJob")):
            api.apply(one, namespace)
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            list(threads.map(self._build_one, self.policies))

    def start(self, **variables: str) -> OperatorProcess:
        """Start an operator."""
        found = self._settings
        return OperatorProcess(
            found.folder,
            {
                "TAXI_OPERATOR_NAMESPACE": self.namespace, "TAXI_MONGODB_URI": found.mongodb,
                "KUBECONFIG": str(found.plane.kubeconfig()),
                "TAXI_OPERATOR_PROMETHEUS_URL": found.prometheus,
                "TAXI_OPERATOR_PROMETHEUS_ALLOWED": " ".join(found.hung),
                # What is measured is the way to a Job, and not the queue before it.
                "TAXI_OPERATOR_MAX_RUNS": "100", **variables,
            },
        )  # fmt: skip

    def hang(self) -> list[str]:
        """Let some policies ask servers that do not answer, each its own; return the others."""
        hung = self._settings.hung
        for name, url in zip(self.policies, hung, strict=False):
            change = {"spec": {"prometheus": {"url": url, "timeoutSeconds": 10}}}
            self._api.patch("DriftPolicy", self.namespace, name, change)
        return self.policies[len(hung) :]

    def jobs(self) -> dict[str, float]:
        """Return when the first Job of each policy was seen, as far as there is one."""
        now = time.monotonic()
        found = self._api.list("Job", self.namespace)
        return {one["metadata"]["ownerReferences"][0]["name"]: now for one in found}

    def _build_one(self, name: str) -> None:
        api, namespace = self._api, self.namespace
        names = {Traffic.CHAMPION: f"{name}-champion", Traffic.FALLBACK: f"{name}-fallback"}
        for traffic, template in ((Traffic.CHAMPION, CHAMPION), (Traffic.FALLBACK, FALLBACK)):
            api.apply(_deployment(template, names[traffic]), namespace)
            counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), 1)
            status = {"status": {"observedGeneration": 1, **counts}}
            api.patch("Deployment", namespace, names[traffic], status, "/status")
        service = object_of_chart("Service", SERVICE)
        service["metadata"]["name"] = name
        for traffic, annotation in DEPLOYMENT_ANNOTATIONS.items():
            service["metadata"]["annotations"][annotation] = names[traffic]
        service["spec"]["selector"] = {"app": names[Traffic.CHAMPION]}
        api.apply(service, namespace)
        api.apply(self._policy(name, names), namespace)

    def _policy(self, name: str, names: dict[Traffic, str]) -> Manifest:
        first, second, third = SIGNALS
        return {
            "apiVersion": "taxi-monitoring.io/v1alpha1", "kind": "DriftPolicy",
            "metadata": {"name": name},
            "spec": {
                "modelName": f"{self.namespace}-{name}",
                "target": {
                    "deploymentName": names[Traffic.CHAMPION], "activeServiceName": name
                },
                "evaluation": {"intervalSeconds": INTERVAL, "settleSeconds": 0},
                "signals": [
                    self._signal(name, first, enter="0s", leave="0s"),
                    self._signal(name, second), self._signal(name, third),
                ],
                "rules": {
                    "retrain": {"anyOf": [{"allOf": [first]}, {"allOf": [third]}]},
                    "fallback": {"anyOf": [{"allOf": [second]}]},
                },
                "retrain": {"jobFrom": {"cronJobName": "taxi-train"}},
                "fallback": {"deploymentName": names[Traffic.FALLBACK]},
            },
        }  # fmt: skip

    def _signal(
        self, policy: str, signal: str, enter: str = "5m", leave: str = "15m"
    ) -> dict[str, Any]:
        """Return a signal as a preset has it: value, rows of its own, one age for all."""
        of = f'ns="{self.namespace}",model="{policy}"'
        own = f'{of},signal="{signal}"'
        return {
            "name": signal, "promql": f"max by (model) (bench_score{{{own}}})",
            "freshnessPromql": f"max by (model) (bench_age{{{of}}})",
            "minSamples": {"promql": f"max by (model) (bench_rows{{{own}}})", "value": 2000},
            "enter": {"op": "GreaterOrEqual", "value": "1", "for": enter},
            "exit": {"op": "Less", "value": "0.8", "for": leave},
        }  # fmt: skip


def _deployment(template: str, name: str) -> Manifest:
    """Return a Deployment of the chart under another name: as large as a real one."""
    found = object_of_chart("Deployment", template)
    found["metadata"]["name"] = name
    found["spec"]["replicas"] = 1
    found["spec"]["selector"] = {"matchLabels": {"app": name}}
    found["spec"]["template"]["metadata"]["labels"]["app"] = name
    assert len(json.dumps(found)) > 1000
    return found
