"""A namespace with the chart's objects, a model and a policy, as its users see it."""

import itertools
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from support.chart import manifests, template
from support.control_plane import OPERATOR, ControlPlane, Manifest, RefusedError, program
from support.controllers import Controllers
from support.operator_process import OperatorProcess, eventually
from support.prometheus import Exporter, query
from taxi_domain.kube import INSTANCE_LABEL, MODEL_VERSION_ANNOTATION
from taxi_domain.models import ARTIFACT_FORMAT_VERSION, CARD_FILE, ONNX_FILE, Alias, ModelState
from taxi_domain.runs import RUN_ID_VARIABLE, RunResult
from taxi_local.mongod import Mongod
from taxi_operator.core.decisions import Traffic
from taxi_operator.core.services import DEPLOYMENT_ANNOTATIONS
from taxi_store.connection import connect
from taxi_store.registry.artifacts import artifact_of
from taxi_store.registry.registry import Registry
from taxi_store.registry.runs import RunStore

CHAMPION, FALLBACK, SERVICE = "taxi-predictor", "taxi-fallback", "taxi-predict"
#: CronJob of the reports, and the address that links to them begin with.
REPORT, REPORT_URL = "taxi-report", "https://monitor.example"
_numbers = itertools.count(1)


@cache
def chart() -> tuple[Manifest, ...]:
    """Return the chart's objects with its defaults."""
    return tuple(manifests(template(monitoring=False, binary=program("helm"))))


def object_of_chart(kind: str, name: str = "") -> Manifest:
    """Return a copy of an object of the chart; the only one of its kind without a name."""
    (found,) = (
        one for one in chart() if one["kind"] == kind and name in {"", one["metadata"]["name"]}
    )
    copy: Manifest = json.loads(json.dumps(found))
    copy["metadata"].pop("namespace", None)
    return copy


def crd() -> Manifest:
    """Return the chart's resource."""
    return object_of_chart("CustomResourceDefinition")


def report_cron_job() -> Manifest:
    """Return the CronJob of the chart's reports, which its defaults leave out."""
    found = template({"batchReport": {"enabled": True}}, monitoring=False, binary=program("helm"))
    (cron_job,) = (
        one
        for one in manifests(found)
        if one["kind"] == "CronJob" and one["metadata"]["name"] == REPORT
    )
    cron_job["metadata"].pop("namespace", None)
    return cron_job


def serve_resource(plane: ControlPlane) -> None:
    """Apply the chart's resource, and wait until the API server serves it."""
    plane.api.apply(crd())
    name = crd()["metadata"]["name"]

    def is_served() -> bool:
        found = plane.api.get("CustomResourceDefinition", "", name) or {}
        known = (found.get("status") or {}).get("conditions") or []
        if not any(one["type"] == "Established" and one["status"] == "True" for one in known):
            return False
        try:
            plane.api.list("DriftPolicy", "default")
        except RefusedError as error:
            # Whoever answers requests hears of it a moment later, and begins with nothing.
            if error.status not in {404, 429}:
                raise
            return False
        return True

    eventually("the resource is served", is_served)


class PolicyNamespace:
    """A namespace and whoever acts in it."""

    def __init__(
        self, folder: Path, plane: ControlPlane, prometheus: str, exporter: Exporter, mongod: Mongod
    ) -> None:
        self.plane, self.api = plane, plane.api
        self.namespace = f"world-{next(_numbers)}"
        self.controllers = Controllers(self.api, self.namespace)
        self._prometheus, self._exporter, self._mongodb_uri = prometheus, exporter, mongod.uri
        self._folder = folder
        self._operators: list[OperatorProcess] = []
        self._services: list[str] = []

    def build(self) -> None:
        """Make the objects and a champion in the registry."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        self.api.apply(namespace)
        binding = object_of_chart("RoleBinding", "taxi-operator")
        group = "rbac.authorization.k8s.io"
        binding["subjects"] = [{"kind": "User", "name": OPERATOR, "apiGroup": group}]
        for one in (binding, object_of_chart("CronJob")):
            self.api.apply(one, self.namespace)
        for name in (CHAMPION, FALLBACK):
            deployment = object_of_chart("Deployment", name)
            deployment["spec"]["replicas"] = 1
            self.api.apply(deployment, self.namespace)
            self._add_pod(deployment)
            self.controllers.ready[name] = 1
        self.add_service(SERVICE)
        self.champion = self.version("champion")
        with connect(self._mongodb_uri, app_name="test") as client:
            Registry(client["taxi"]).move_alias(
                self.namespace, Alias.CHAMPION, to=self.champion, expected=None, by="t", now=_now()
            )
        self.say(drift=0, error=0)
        self.controllers.start()

    def role(self, *denied: tuple[str, str]) -> None:
        """Give the operator the chart's rights, but for some verbs of resources."""
        role = object_of_chart("Role", "taxi-operator")
        for rule in role["rules"]:
            if rule["resources"] == ["services"] and rule["verbs"] == ["patch"]:
                rule["resourceNames"] = self._services
            for resource, verb in denied:
                if rule["resources"] == [resource] and verb in rule["verbs"]:
                    rule["verbs"].remove(verb)
        role["rules"] = [rule for rule in role["rules"] if rule["verbs"]]
        self.api.apply(role, self.namespace)

    def add_service(self, name: str, instance: str = "taxi", champion: str = CHAMPION) -> None:
        """Install an active Service as the chart does: without a selector, with the right to it."""
        service = object_of_chart("Service", SERVICE)
        service["metadata"]["name"] = name
        service["metadata"]["labels"][INSTANCE_LABEL] = instance
        service["metadata"]["annotations"][DEPLOYMENT_ANNOTATIONS[Traffic.CHAMPION]] = champion
        self.api.apply(service, self.namespace)
        self._services.append(name)
        self.role()

    def _add_pod(self, deployment: Manifest) -> None:
        name = deployment["metadata"]["name"]
        labels = deployment["spec"]["selector"]["matchLabels"]
        self.api.apply(
            {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": f"{name}-0", "labels": labels},
                "spec": {"containers": [{"name": "c", "image": "none"}]},
            },
            self.namespace,
        )  # fmt: skip

    def close(self) -> None:
        """End what runs."""
        self.kill_operators()
        self.controllers.stop()

    def kill_operators(self) -> None:
        """End all operators as lost nodes would."""
        for one in self._operators:
            one.kill()

    def operator(
        self, *, fault: str = "", instance: str = "", reports: bool = False, api_url: str = "",
        **settings: str,
    ) -> OperatorProcess:  # fmt: skip
        """Start an operator.

        Args:
            fault: Where it dies.
            instance: The release that it serves.
            reports: Whether it makes reports of decisions.
            api_url: Where it finds the API server; empty: where it is.
            settings: More variables, without their prefix `TAXI_OPERATOR_`.
        """
        links = {"TAXI_OPERATOR_REPORT_CRONJOB": REPORT, "TAXI_OPERATOR_REPORT_URL": REPORT_URL}
        one = OperatorProcess(
            self._folder,
            {
                **self.variables(api_url), "TAXI_OPERATOR_FAULT": fault,
                "TAXI_OPERATOR_INSTANCE": instance, **(links if reports else {}),
                **{f"TAXI_OPERATOR_{name}": value for name, value in settings.items()},
            },
        )  # fmt: skip
        self._operators.append(one)
        return one

    def variables(self, api_url: str = "") -> dict[str, str]:
        """Return the environment of an operator's pod, as far as all have it."""
        return {
            "TAXI_OPERATOR_NAMESPACE": self.namespace,
            "TAXI_MONGODB_URI": self._mongodb_uri,
            "KUBECONFIG": str(self.plane.kubeconfig(api_url)),
            "TAXI_OPERATOR_API_TIMEOUT": "3",
            "TAXI_OPERATOR_PROMETHEUS_URL": self._prometheus,
        }

    def apply_policy(self, name: str = "p", **spec: Any) -> None:
        """Apply a policy: `drift` retrains, `error` moves the traffic.

        Args:
            name: Its name.
            spec: Fields that differ; None leaves one out.
        """
        whole = {
            "modelName": self.namespace,
            "target": {"deploymentName": CHAMPION, "activeServiceName": SERVICE},
            "prometheus": {"timeoutSeconds": 10},
            "evaluation": {"intervalSeconds": 2, "settleSeconds": 0},
            "signals": [self.signal("drift"), self.signal("error")],
            "rules": {
                "retrain": {"anyOf": [{"allOf": ["drift"]}]},
                "fallback": {"anyOf": [{"allOf": ["error"]}]},
            },
            "retrain": {
                "jobFrom": {"cronJobName": "taxi-train"},
                "attempts": {"max": 2, "initialBackoff": "1s"},
            },
            "fallback": {"deploymentName": FALLBACK, "minDwell": "0s"},
            **spec,
        }
        self.api.apply(
            {
                "apiVersion": "taxi-monitoring.io/v1alpha1", "kind": "DriftPolicy",
                "metadata": {"name": name},
                "spec": {name: value for name, value in whole.items() if value is not None},
            },
            self.namespace,
        )  # fmt: skip

    def signal(self, name: str, **fields: Any) -> Manifest:
        """Return a signal that is breached from 1 on, at once."""
        return {
            "name": name, "promql": query(self.namespace, name),
            "enter": {"op": "GreaterOrEqual", "value": "1", "for": "0s"},
            "exit": {"op": "Less", "value": "0.9", "for": "0s"}, **fields,
        }  # fmt: skip

    def say(self, **values: float | tuple[float, ...]) -> None:
        """Set the values of signals."""
        for name, value in values.items():
            series = value if isinstance(value, tuple) else (value,)
            self._exporter.say(self.namespace, name, *series)

    def delete_policy(self, name: str = "p") -> None:
        """Delete a policy."""
        self.api.delete("DriftPolicy", self.namespace, name)

    def version(self, word: str) -> str:
        """Put a version into the registry."""
        card = {"format_version": ARTIFACT_FORMAT_VERSION, "kind": word, "of": self.namespace}
        card["metrics"] = {}
        artifact = artifact_of({ONNX_FILE: b"graph", CARD_FILE: json.dumps(card).encode()})
        with connect(self._mongodb_uri, app_name="test") as client:
            return Registry(client["taxi"]).add(
                artifact, model=self.namespace, state=ModelState.CANDIDATE, now=_now()
            )

    def write_report(
        self, job: Manifest, result: RunResult, candidate: str | None = None, *,
        observed: str | None = None,
    ) -> None:  # fmt: skip
        """Report as the Job's pod would.

        Args:
            job: The Job.
            result: Its verdict.
            candidate: Version that it made.
            observed: Version that it observes; None for one that trains.
        """
        (container,) = job["spec"]["template"]["spec"]["containers"]
        (run_id,) = (one["value"] for one in container["env"] if one["name"] == RUN_ID_VARIABLE)
        numbers = {
            "gain": 0.25, "ci_low": 0.2, "ci_high": 0.3, "champion_rmse": 8.0,
            "candidate_rmse": 6.0, "before_rmse": 6.0, "evaluated_rows": 1500,
        }  # fmt: skip
        with connect(self._mongodb_uri, app_name="test") as client:
            runs = RunStore(client["taxi"])
            kind = "observe" if observed else "train"
            runs.start(run_id, kind, [], _now(), model=self.namespace)
            runs.finish(
                run_id, result, now=_now(), message=f"it is {result}", candidate=candidate,
                champion=observed or self.champion, numbers=numbers,
            )  # fmt: skip

    def end_job(self, job: Manifest, *kinds: str) -> None:
        """End a Job: its conditions are of these kinds."""
        now = _now().isoformat(timespec="seconds").replace("+00:00", "Z")
        status: Manifest = {
            "startTime": now,
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": now, "reason": "Test"}
                for kind in kinds
            ],
        }
        if "Complete" in kinds:
            status["completionTime"] = now
        name = job["metadata"]["name"]
        self.api.patch("Job", self.namespace, name, {"status": status}, "/status")

    def remove_job(self, job: Manifest) -> None:
        """Remove a Job as its time to live does; nobody else ends the wait for its pods here."""
        name = job["metadata"]["name"]
        self.api.delete("Job", self.namespace, name)
        self.api.patch("Job", self.namespace, name, {"metadata": {"finalizers": None}})

    def policy(self, name: str = "p") -> Manifest | None:
        """Return a policy, None when it is gone."""
        return self.api.get("DriftPolicy", self.namespace, name)

    def status(self, name: str = "p") -> Manifest:
        """Return a policy's status, empty when there is none."""
        return (self.policy(name) or {}).get("status") or {}

    def jobs(self) -> list[Manifest]:
        """Return all Jobs."""
        return self.api.list("Job", self.namespace)

    def selects(self, service: str = SERVICE) -> str:
        """Return the Deployment that a Service sends to, empty when it is neither."""
        return self.controllers.selected(self.api.get("Service", self.namespace, service))

    def ready_pods(self, deployment: str) -> int:
        """Return what a Deployment's status says."""
        found = self.api.get("Deployment", self.namespace, deployment) or {}
        count: int = found["status"].get("readyReplicas", 0)
        return count

    def pods_have(self, annotation: str = MODEL_VERSION_ANNOTATION) -> str | None:
        """Return an annotation of the predictor's pod template: the model version."""
        found = self.api.get("Deployment", self.namespace, CHAMPION)
        assert found is not None
        annotations = found["spec"]["template"]["metadata"].get("annotations") or {}
        value: str | None = annotations.get(annotation)
        return value

    def alias(self) -> str:
        """Return the version that is the champion."""
        with connect(self._mongodb_uri, app_name="test") as client:
            found = Registry(client["taxi"]).alias(self.namespace, Alias.CHAMPION)
        assert found is not None
        return found.version

    def state_of(self, version: str) -> ModelState:
        """Return where a version is in its life."""
        with connect(self._mongodb_uri, app_name="test") as client:
            return Registry(client["taxi"]).get(version).state

    def events(self, name: str = "p") -> list[str]:
        """Return the reasons of a policy's Events, oldest first."""
        found = [
            one
            for one in self.api.list("Event", self.namespace)
            if one["involvedObject"]["name"] == name
        ]
        return [one["reason"] for one in sorted(found, key=_revision)]


def _now() -> datetime:
    return datetime.now(UTC)


def _revision(one: Manifest) -> int:
    return int(one["metadata"]["resourceVersion"])
