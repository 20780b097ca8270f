"""The chart's admission policy and roles, judged by the real API server."""

import copy
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.chart import CHART, manifests, template
from support.control_plane import Api, ControlPlane, Manifest, program
from support.controller_manager import running_controllers
from support.operator_process import eventually

from taxi_domain.kube import MODEL_VERSION_ANNOTATION
from taxi_operator.core.jobs import PolicyKey, job_manifest
from taxi_operator.core.observation_jobs import Look, observation_job
from taxi_operator.core.run_terms import Terms
from taxi_operator.reports import report_arguments, report_job
from taxi_operator.spec.policy import Gate, Observation, policy_of

pytestmark = pytest.mark.component

KEY = PolicyKey("p", "0a1b2c3d-1111-2222-3333-444455556666")
TERMS = Terms(Gate(1000, "0.02", "0.95"), None)
POLICY = policy_of(
    {
        "target": {"deploymentName": "p", "activeServiceName": "s"},
        "prometheus": {"url": "http://p"}, "signals": [],
        "retrain": {"jobFrom": {"cronJobName": "taxi-train"}},
    }
)  # fmt: skip
OBSERVATION = Observation(3600, 500, "0.95")
#: A container of one's own choice.
OWN = {"name": "own", "image": "own:1", "args": ["run"]}
EXAMPLE = CHART.parents[1] / "k8s/examples/production.yaml"
#: What users add to all pods.
ADDED = {
    "env": [{"name": "A", "value": "b"}], "envFrom": [{"configMapRef": {"name": "c"}}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "initContainers": [{"name": "first", "image": "first:1"}],
    "extraContainers": [{"name": "beside", "image": "beside:1"}],
    "lifecycle": {"preStop": {"sleep": {"seconds": 1}}},
    "podAnnotations": {"vault.hashicorp.com/role": "r"}, "podLabels": {"team": "t"},
    "podSecurityContext": {"supplementalGroups": [7]}, "hostUsers": False,
    "containerSecurityContext": {"privileged": False},
    "nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "k", "operator": "Exists"}],
    "priorityClassName": "low", "runtimeClassName": "r", "schedulerName": "s",
    "dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.1"]},
    "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["h"]}],
}  # fmt: skip
_numbers = itertools.count(1)


class Installed:
    """A namespace with the chart's objects that the policy is about."""

    def __init__(self, plane: ControlPlane, pods: Manifest) -> None:
        self.api = plane.api
        self.namespace = f"admission-{next(_numbers)}"
        values = {
            "operator": {"admissionPolicy": {"enabled": True}},
            "batchReport": {"enabled": True}, "model": {"schema": 'id = "row"'},
            "firstModel": {"enabled": False}, "pods": pods,
        }  # fmt: skip
        text = template(values, monitoring=False, binary=program("helm"), namespace=self.namespace)
        self.objects = manifests(text)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        self.api.apply(namespace)
        for one in self.objects:
            if one["kind"] in {"CronJob", "Deployment", "Service", "Role", "RoleBinding"}:
                self.api.apply(one, self.namespace)
        self.cluster_wide = [one for one in self.objects if "AdmissionPolicy" in one["kind"]]
        for one in self.cluster_wide:
            self.api.apply(one)
        account = f"system:serviceaccount:{self.namespace}:taxi-operator"
        self.operator = Api(plane.api_server.url, account)

    def cron_job(self, name: str) -> Manifest:
        """Return a CronJob as the API server keeps it, with its defaults."""
        found = self.api.get("CronJob", self.namespace, name)
        assert found is not None
        return found

    def jobs(self) -> dict[str, Manifest]:
        """Return one Job of each kind that the operator makes, by the operator's own code."""
        train, report = self.cron_job("taxi-train"), self.cron_job("taxi-report")
        template_ = train["spec"]["jobTemplate"]
        assert POLICY.retrain is not None
        look = Look(7, 1, "v2", "v1", 1_750_000_000.0)
        span = report_arguments("m", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
        return {
            "retrain": job_manifest(template_, KEY, 7, 1, POLICY.retrain, TERMS),
            "observe": observation_job(train, KEY, look, OBSERVATION, 300),
            "report": report_job(report, KEY, 7, span),
        }

    def refusal(self, job: Manifest) -> str:
        """Return why the operator may not create a Job, empty when it may."""
        return self.operator.refusal("POST", job, self.namespace)


@contextmanager
def installation(control_plane: ControlPlane, pods: Manifest) -> Iterator[Installed]:
    one = Installed(control_plane, pods)
    foreign = one.jobs()["retrain"]
    foreign["spec"]["template"]["spec"]["containers"][0]["image"] = "own:1"
    try:
        # The server compiles a policy some moments after it was written.
        eventually("the policy is in force", lambda: "image must be" in one.refusal(foreign))
        yield one
    finally:
        for found in one.cluster_wide:
            one.api.delete(found["kind"], "", found["metadata"]["name"])


@pytest.fixture(scope="module")
def installed(control_plane: ControlPlane) -> Iterator[Installed]:
    with installation(control_plane, {}) as one:
        yield one


@pytest.fixture(scope="module")
def extended(control_plane: ControlPlane) -> Iterator[Installed]:
    with installation(control_plane, ADDED) as one:
        yield one


@pytest.mark.parametrize("kind", ["retrain", "observe", "report"])
@pytest.mark.parametrize("values", ["installed", "extended"])
def test_every_job_that_the_operator_makes_is_admitted(
    request: pytest.FixtureRequest, values: str, kind: str
) -> None:
    one: Installed = request.getfixturevalue(values)

    assert one.refusal(one.jobs()[kind]) == ""


def test_annotations_that_users_add_stay(extended: Installed) -> None:
    job = extended.jobs()["retrain"]
    del job["spec"]["template"]["metadata"]["annotations"]

    assert "annotations must be" in extended.refusal(job)


def pod(job: Manifest) -> dict[str, Any]:
    spec: dict[str, Any] = job["spec"]["template"]["spec"]
    return spec


def container(job: Manifest) -> dict[str, Any]:
    first: dict[str, Any] = pod(job)["containers"][0]
    return first


SECRET = {"name": "s", "secret": {"secretName": "taxi-mongodb-root"}}
CHANGES: dict[str, tuple[Callable[[Manifest], Any], str]] = {
    "image": (lambda job: container(job).update(image="own:1"), "image"),
    "command": (lambda job: container(job).update(command=["sh", "-c", "id"]), "command"),
    "arguments": (lambda job: container(job).update(args=["models", "list"]), "nothing else"),
    "more arguments": (
        lambda job: container(job)["args"].extend(["--data", "https://own.example/rows"]),
        "arguments must be",
    ),
    "another option": (
        lambda job: container(job)["args"].__setitem__(1, "--data"), "arguments must be",
    ),
    "option as a value": (
        lambda job: container(job)["args"].__setitem__(2, "--data=x"), "arguments must be",
    ),
    "fewer arguments": (lambda job: container(job).update(args=["run"]), "arguments must be"),
    "another output": (
        lambda job: container(job)["args"].append("--output=page"), "arguments must be",
    ),
    "file of the last words": (
        lambda job: container(job).update(terminationMessagePath="/etc/passwd"),
        "terminationMessagePath",
    ),
    "last words of the log": (
        lambda job: container(job).update(terminationMessagePolicy="FallbackToLogsOnError"),
        "terminationMessagePolicy",
    ),
    "annotations of the pod": (
        lambda job: job["spec"]["template"]["metadata"].update(
            annotations={"vault.hashicorp.com/agent-inject": "true"}
        ),
        "annotations must be",
    ),
    "account": (lambda job: pod(job).update(serviceAccountName="other"), "serviceAccountName"),
    "token": (
        lambda job: pod(job).update(automountServiceAccountToken=True),
        "automountServiceAccountToken",
    ),
    "volume": (lambda job: pod(job)["volumes"].append(SECRET), "volumes"),
    "host path": (
        lambda job: pod(job)["volumes"].append({"name": "h", "hostPath": {"path": "/"}}), "volumes",
    ),
    "host network": (lambda job: pod(job).update(hostNetwork=True), "hostNetwork"),
    "escalation": (
        lambda job: container(job).update(securityContext={"allowPrivilegeEscalation": True}),
        "securityContext",
    ),
    "user": (lambda job: pod(job)["securityContext"].update(runAsUser=0), "securityContext"),
    "node": (lambda job: pod(job).update(nodeName="control-plane"), "nodeName"),
    "variable": (lambda job: container(job)["env"].append({"name": "A", "value": "b"}), "env"),
    "run id of a Secret": (
        lambda job: container(job)["env"].append(
            {"name": "TAXI_RUN_ID", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
        ),
        "env",
    ),
    "environment": (
        lambda job: container(job).update(envFrom=[{"secretRef": {"name": "s"}}]), "envFrom",
    ),
    "second container": (lambda job: pod(job)["containers"].append(OWN), "containers"),
    "first container": (lambda job: pod(job).update(initContainers=[OWN]), "initContainers"),
    "labels of the pod": (
        lambda job: job["spec"]["template"]["metadata"]["labels"].update(
            {"app.kubernetes.io/component": "monitor"}
        ),
        "labels",
    ),
    "another label of the pod": (
        lambda job: job["spec"]["template"]["metadata"]["labels"].update({"inject": "true"}),
        "labels must be",
    ),
    "many pods": (lambda job: job["spec"].update(parallelism=100), "one pod"),
    "of no CronJob": (lambda job: job["metadata"].update(labels={"a": "b"}), "chart's CronJobs"),
    "of another CronJob": (
        lambda job: job["metadata"]["labels"].update({"app.kubernetes.io/component": "data"}),
        "chart's CronJobs",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["retrain", "report"])
def test_no_other_job_is(installed: Installed, kind: str, change: str) -> None:
    job = copy.deepcopy(installed.jobs()[kind])
    alter, word = CHANGES[change]
    alter(job)

    said = installed.refusal(job)

    assert "denied request" in said, said
    assert word in said


def test_others_are_not_held_to_it(installed: Installed) -> None:
    job = installed.jobs()["retrain"]
    container(job)["image"] = "own:1"

    assert installed.api.refusal("POST", job, installed.namespace) == ""


def labels(component: str, release: str = "taxi") -> dict[str, str]:
    prefix = "app.kubernetes.io"
    return {f"{prefix}/instance": release, f"{prefix}/component": component}


@pytest.mark.parametrize(
    ("kind", "name", "spec", "word"),
    [
        (
            "Deployment", "taxi-predictor",
            {"template": {"metadata": {"annotations": {MODEL_VERSION_ANNOTATION: "v2"}}}}, "",
        ),
        (
            "Deployment", "taxi-predictor",
            {"template": {"spec": {"serviceAccountName": "other"}}}, "nothing else",
        ),
        (
            "Deployment", "taxi-predictor", {"template": {"spec": {"hostNetwork": True}}},
            "nothing else",
        ),
        ("Deployment", "taxi-predictor", {"replicas": 50}, "scale"),
        ("Service", "taxi-predict", {"selector": labels("predictor")}, ""),
        ("Service", "taxi-predict", {"selector": labels("fallback")}, ""),
        ("Service", "taxi-predict", {"selector": {}}, ""),
        ("Service", "taxi-predict", {"selector": labels("mongodb")}, "its own release"),
        ("Service", "taxi-predict", {"selector": {"app": "somebody-elses"}}, "its own release"),
        (
            "Service", "taxi-predict", {"selector": {"app.kubernetes.io/instance": "taxi"}},
            "its own release",
        ),
        ("Service", "taxi-predict", {"externalIPs": ["192.0.2.1"]}, "externalIPs"),
        (
            "Service", "taxi-predict", {"selector": labels("predictor", "x")}, "its own release",
        ),
    ],
)  # fmt: skip
def test_the_operator_changes_what_its_code_changes(
    installed: Installed, kind: str, name: str, spec: Manifest, word: str
) -> None:
    change = {"kind": kind, "metadata": {"name": name}, "spec": spec}

    said = installed.operator.refusal("PATCH", change, installed.namespace)

    assert (word in said) if word else not said, said


def test_edit_writes_policies_and_no_status(control_plane: ControlPlane, tmp_path: Path) -> None:
    api, namespace = control_plane.api, f"roles-{next(_numbers)}"
    chart = manifests(template(monitoring=False, binary=program("helm"), namespace=namespace))
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    roles = [one for one in chart if one["kind"] == "ClusterRole"]
    for role in roles:
        api.apply(role)
    group = "rbac.authorization.k8s.io"
    for role_name in ("view", "edit", "admin"):
        binding = {
            "apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": {"name": role_name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role_name},
            "subjects": [{"kind": "User", "name": f"{role_name}-user", "apiGroup": group}],
        }  # fmt: skip
        api.apply(binding, namespace)
    users = {
        name: Api(control_plane.api_server.url, f"{name}-user")
        for name in ("view", "edit", "admin")
    }
    policy = yaml.safe_load(EXAMPLE.read_text())
    policy["metadata"] = {"name": "p"}
    with running_controllers(control_plane, tmp_path, "clusterrole-aggregation-controller"):
        for name in ("edit", "admin"):
            user = users[name]
            eventually(f"{name} creates a policy", partial(creates, user, policy, namespace))
        api.apply(policy, namespace)
        eventually("view reads it", lambda: reads(users["view"], namespace))
    status = {**policy, "status": {"observedGeneration": 1}}

    for user in users.values():
        assert "forbidden" in user.refusal("PATCH", status, namespace, "/status")
    assert "forbidden" in users["view"].refusal("PATCH", policy, namespace)
    assert users["edit"].refusal("PATCH", policy, namespace) == ""


def creates(user: Api, policy: Manifest, namespace: str) -> bool:
    said = user.refusal("POST", policy, namespace)
    assert "forbidden" in said or not said, said
    return not said


def reads(user: Api, namespace: str) -> bool:
    try:
        return user.get("DriftPolicy", namespace, "p") is not None
    except RuntimeError:
        return False
