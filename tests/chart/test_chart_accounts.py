"""ServiceAccounts, the cluster's roles for policies, and the operator's admission policy."""

import re
import subprocess
from typing import Any

import pytest
from support.chart import (
    CHART,
    VALUE_SETS,
    Manifest,
    helm,
    manifests,
    objects,
    pods,
    rendered,
    template,
)

pytestmark = pytest.mark.chart

BLOCKS = {
    "predictor": "predictor", "fallback": "fallback", "monitor": "monitor", "operator": "operator",
    "train": "train", "report": "batchReport", "backup": "backup", "data": "dataTool",
    "mongodb": "mongodb", "test": "tests",
}  # fmt: skip
EVERYTHING: dict[str, Any] = {
    "batchReport": {"enabled": True, "dask": {"enabled": True}},
    "backup": {"enabled": True, "destination": "s3://bucket"}, "dataTool": {"enabled": True},
}  # fmt: skip


def render(**values: Any) -> list[Manifest]:
    return manifests(template(EVERYTHING | values))


@pytest.mark.parametrize("name", VALUE_SETS)
def test_every_pod_runs_as_an_account_that_is_there_or_was_named(name: str) -> None:
    accounts = set(objects(name, "ServiceAccount"))
    named = {"trainers", "helm-test"} if name == "everything" else set()

    used = {pod: spec["serviceAccountName"] for pod, spec in pods(rendered(name))}
    assert set(used.values()) == accounts | named
    assert not [one for one in objects(name, "ServiceAccount").values()
                if one["automountServiceAccountToken"]]  # fmt: skip


def test_each_part_has_an_account_of_its_own_and_its_jobs_have_it_too() -> None:
    used = {pod: spec["serviceAccountName"] for pod, spec in pods(render())}

    assert {name.removeprefix("taxi-") for name in used.values()} == {*BLOCKS, "secrets"}
    assert used["CronJob/taxi-train"] == "taxi-train"
    (first,) = (one for pod, one in used.items() if pod.startswith("Job/taxi-first-model"))
    assert first == "taxi-train"
    assert used["Deployment/taxi-dask-worker"] == used["CronJob/taxi-report"] == "taxi-report"


@pytest.mark.parametrize("component", BLOCKS)
def test_an_account_takes_name_labels_annotations_and_a_token(component: str) -> None:
    annotations = {"example.org/role": "a"}
    labels = {"example.org/team": "b"}
    account = {"name": "own", "labels": labels, "annotations": annotations, "automount": True}
    block = {**EVERYTHING.get(BLOCKS[component], {}), "serviceAccount": account}
    found = render(**{BLOCKS[component]: block})

    (made,) = (
        one for one in found if (one["kind"], one["metadata"]["name"]) == ("ServiceAccount", "own")
    )
    assert made["metadata"]["annotations"] == annotations
    assert labels.items() <= made["metadata"]["labels"].items()
    assert made["automountServiceAccountToken"] is True
    tokens = {spec["serviceAccountName"]: spec["automountServiceAccountToken"]
              for _, spec in pods(found)}  # fmt: skip
    asking = {"taxi-operator", "taxi-secrets", "taxi-test"} - {f"taxi-{component}"}
    assert {name for name, mounted in tokens.items() if mounted} == {"own", *asking}


def test_an_account_that_is_there_already_is_taken() -> None:
    given = {"serviceAccount": {"create": False, "name": "there"}}
    found = render(operator=given, monitor={"serviceAccount": {"create": False}})

    accounts = {one["metadata"]["name"] for one in found if one["kind"] == "ServiceAccount"}
    used = {pod: spec["serviceAccountName"] for pod, spec in pods(found)}
    assert accounts.isdisjoint({"there", "default", "taxi-operator", "taxi-monitor"})
    assert used["Deployment/taxi-operator"] == "there"
    assert used["Deployment/taxi-monitor"] == "default"
    (binding,) = (
        one
        for one in found
        if (one["kind"], one["metadata"]["name"]) == ("RoleBinding", "taxi-operator")
    )
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "there", "namespace": "ns"}]


def refusal(values: dict[str, Any], kubernetes: str = "1.34.4") -> str:
    arguments = [f"--set={name}={value}" for name, value in values.items()]
    with pytest.raises(subprocess.CalledProcessError) as refused:
        helm("template", "taxi", str(CHART), "--kube-version", kubernetes, *arguments)
    return str(refused.value.stderr)


def test_the_operators_rights_are_not_given_to_everybody() -> None:
    assert "operator.serviceAccount.name: is empty" in refusal(
        {"operator.serviceAccount.create": "false"}
    )


def test_a_cluster_without_admission_policies_refuses_the_value() -> None:
    said = refusal({"operator.admissionPolicy.enabled": "true"}, "1.29.0")

    assert "operator.admissionPolicy.enabled: Kubernetes v1.29.0" in said


def test_every_binding_names_a_policy_and_a_cron_job_of_the_release() -> None:
    kind = "ValidatingAdmissionPolicy"
    policies, cron_jobs = objects("everything", kind), objects("everything", "CronJob")
    bindings = objects("everything", f"{kind}Binding").values()

    assert {one["spec"]["policyName"] for one in bindings} == set(policies)
    named = {one["spec"]["paramRef"]["name"] for one in bindings if "paramRef" in one["spec"]}
    assert named == {"drift-prod-train", "drift-prod-report"} <= set(cron_jobs)
    for one in (*policies.values(), *bindings):
        where = one["spec"].get("matchConstraints") or one["spec"]["matchResources"]
        assert where["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "ns"}
    for one in policies.values():
        (who,) = one["spec"]["matchConditions"]
        assert "'system:serviceaccount:ns:drift-prod-operator'" in who["expression"]
    assert not objects("default", kind)


def test_who_edits_a_namespace_writes_policies_and_nobody_a_status() -> None:
    roles = objects("default", "ClusterRole")
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    told = {
        name.rsplit("-", 1)[1]: {
            label.removeprefix(prefix) for label in one["metadata"]["labels"] if prefix in label
        }
        for name, one in roles.items()
    }

    assert told == {"view": {"view"}, "edit": {"edit", "admin"}}
    for one in roles.values():
        for rule in one["rules"]:
            if "driftpolicies/status" in rule["resources"]:
                assert rule["verbs"] == ["get"]
    without = manifests(template({"crds": {"aggregateRoles": False}}))
    assert not [one for one in without if one["kind"] == "ClusterRole"]


@pytest.mark.parametrize(
    ("kubernetes", "hook"), [("1.29.0", "exec"), ("1.30.0", "sleep"), ("1.37.1", "sleep")]
)
def test_a_predictor_waits_for_its_endpoints_without_a_shell(kubernetes: str, hook: str) -> None:
    text = helm("template", "taxi", str(CHART), "--kube-version", kubernetes)
    found = [
        container["lifecycle"]["preStop"]
        for _, spec in pods(manifests(text))
        for container in spec["containers"] if "lifecycle" in container
    ]  # fmt: skip

    assert [list(one) for one in found] == [[hook], [hook]]


@pytest.mark.parametrize("name", VALUE_SETS)
def test_no_pod_runs_a_program_that_the_images_do_not_have(name: str) -> None:
    for pod, spec in pods(rendered(name)):
        for container in spec["containers"]:
            commands = [container.get("command")]
            kinds = ("startup", "liveness", "readiness")
            probes = [container.get(f"{kind}Probe", {}) for kind in kinds]
            commands += [one["exec"]["command"] for one in probes if "exec" in one]
            for command in commands:
                if command and not re.search("/mongo", container["image"]):
                    assert command[0] == "/opt/venv/bin/python", pod
