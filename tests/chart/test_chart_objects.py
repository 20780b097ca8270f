"""What the chart renders, for every set of values in `ci/`."""

import json
import re
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from support.chart import (
    CHART,
    VALUE_FILES,
    VALUE_SETS,
    Manifest,
    environment,
    helm_binaries,
    manifests,
    objects,
    pods,
    rendered,
    template,
    wanted_secrets,
)

from taxi_domain import kube

pytestmark = pytest.mark.chart

BUILT_IN = re.compile(r"^(v1|[a-z.]+(\.k8s\.io)?/v\d+)$")
NOT_BUILT_IN = {
    "monitoring.coreos.com/v1",
    "apiextensions.k8s.io/v1",
    "gateway.networking.k8s.io/v1",
    "taxi-monitoring.io/v1alpha1",
}
#: From the oldest that the chart is made for, to the newest with schemas here.
EVERY_VERSION = tuple(f"1.{minor}" for minor in range(29, 38))
CLUSTER_WIDE = {
    "CustomResourceDefinition", "ClusterRole", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}  # fmt: skip
every_set = pytest.mark.parametrize("name", VALUE_SETS)


@cache
def check(text: str, version: str) -> None:
    """Hold an object to the schema of a version of Kubernetes; many sets have the same ones."""
    kubernetes_validate.validate(json.loads(text), version, strict=True)


@every_set
def test_every_object_fits_the_schema_of_kubernetes(name: str) -> None:
    # All versions between see the set that uses every value.
    versions = EVERY_VERSION if name == "everything" else (EVERY_VERSION[0], EVERY_VERSION[-1])
    checked = 0
    for one in rendered(name):
        if one["apiVersion"] not in NOT_BUILT_IN:
            for version in versions:
                # 1.29 has the policies as v1beta1 alone, and the chart refuses them there.
                if version != "1.29" or not one["kind"].startswith("ValidatingAdmission"):
                    check(json.dumps(one, sort_keys=True), version)
            checked += 1

    assert checked > 10


def test_there_is_a_set_of_values_for_each_kind_of_user() -> None:
    assert len(VALUE_FILES) >= 12
    for path in VALUE_FILES.values():
        assert path.read_text().startswith("# "), f"{path.name}: says nobody whose values it has"


@every_set
def test_every_pod_passes_the_restricted_standard(name: str) -> None:
    found = dict(pods(rendered(name)))

    assert len(found) >= 4
    for pod, spec in found.items():
        assert restricted_problems(spec, fixed=name != "openshift") == [], pod


def restricted_problems(spec: dict[str, Any], *, fixed: bool) -> list[str]:
    """Return what the pod security standard `restricted` would refuse, and a bit more."""
    problems = [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    whole = spec.get("securityContext", {})
    if whole.get("seccompProfile") != {"type": "RuntimeDefault"}:
        problems.append("seccompProfile")
    if not whole.get("runAsNonRoot"):
        problems.append("runAsNonRoot")
    claims = {"persistentVolumeClaim", "ephemeral"}
    allowed = {"emptyDir", "projected", "secret", "configMap", *claims}
    problems += [
        f"volume {volume['name']}"
        for volume in spec.get("volumes", [])
        if not (set(volume) - {"name"}) <= allowed
    ]
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        own = container.get("securityContext", {})
        user = own.get("runAsUser", whole.get("runAsUser"))
        checks = {
            "a numeric user": isinstance(user, int) and user > 0 if fixed else user is None,
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "capabilities": own.get("capabilities") == {"drop": ["ALL"]},
            "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is True,
            "memory limit": "memory" in container["resources"]["limits"],
            "no CPU limit": "cpu" not in container["resources"]["limits"],
            "requests": {"cpu", "memory", "ephemeral-storage"}
            <= set(container["resources"]["requests"]),
            "no host port": all("hostPort" not in port for port in container.get("ports", [])),
        }
        problems += [f"{container['name']}: {what}" for what, holds in checks.items() if not holds]
    return problems


@every_set
def test_few_pods_get_a_token_of_the_api_server(name: str) -> None:
    with_token = [pod for pod, spec in pods(rendered(name)) if spec["automountServiceAccountToken"]]

    operators = [pod for pod in with_token if re.fullmatch(r"Deployment/.*-operator", pod)]
    makers = [pod for pod in with_token if re.fullmatch(r"Job/.*-secrets-[0-9a-f]{10}", pod)]
    # It asks which kinds there are, as any account may.
    testers = [pod for pod in with_token if re.fullmatch(r"Pod/.*-selftest", pod)]
    assert set(with_token) == {*operators, *makers, *testers}
    assert len(testers) <= len(operators)
    assert len(operators) == (name != "without-operator")
    assert len(makers) == bool(wanted_secrets(rendered(name)))


@every_set
def test_names_are_unique_and_in_the_release_namespace(name: str) -> None:
    found = rendered(name)
    keys = [(one["kind"], one["metadata"]["name"]) for one in found]

    assert len(keys) == len(set(keys))
    for one in found:
        if one["kind"] in CLUSTER_WIDE:
            assert "namespace" not in one["metadata"]
        else:
            assert one["metadata"]["namespace"] == "ns"


@every_set
def test_selectors_find_their_pods(name: str) -> None:
    for kind in ("Deployment", "StatefulSet"):
        for one in objects(name, kind).values():
            labels = one["spec"]["template"]["metadata"]["labels"]

            assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
            assert kube.COMPONENT_LABEL in labels


def test_helm_3_and_4_render_the_same() -> None:
    texts = [
        template(files=[VALUE_FILES["existing-secrets"]], binary=binary)
        for binary in helm_binaries()
    ]

    assert len(texts) == 2, "one helm is missing: `make test-chart` has both"
    assert manifests(texts[0]) == manifests(texts[1])


@every_set
def test_two_renders_are_equal(name: str) -> None:
    path = VALUE_SETS[name]
    assert manifests(template(files=[path] if path else [])) == list(rendered(name))
    assert not objects(name, "Secret")


def test_the_operator_leaves_a_lost_node_soon() -> None:
    (operator,) = (pod for name, pod in pods(rendered("default")) if name.endswith("-operator"))
    seconds = {one["key"]: one["tolerationSeconds"] for one in operator["tolerations"]}
    assert seconds == {"node.kubernetes.io/not-ready": 30, "node.kubernetes.io/unreachable": 30}


def test_the_active_service_has_no_selector_while_the_operator_owns_it() -> None:
    service = objects("default", "Service")["taxi-predict"]

    assert "selector" not in service["spec"]
    assert service["metadata"]["labels"]["taxi-monitoring.io/active-service"] == "true"
    annotations = service["metadata"]["annotations"]
    deployments = objects("default", "Deployment")
    for alias in ("champion", "fallback"):
        assert annotations[f"taxi-monitoring.io/{alias}-deployment"] in deployments


@pytest.mark.parametrize("name", [one for one in VALUE_SETS if one != "without-operator"])
def test_the_operator_serves_the_active_service_of_its_own_release(name: str) -> None:
    (service,) = (
        one
        for one in objects(name, "Service").values()
        if one["metadata"]["name"].endswith("-predict")
    )
    (operator,) = (
        container
        for pod, spec in pods(rendered(name)) if pod.endswith("-operator")
        for container in spec["containers"]
    )  # fmt: skip

    instance = service["metadata"]["labels"][kube.INSTANCE_LABEL]
    assert environment(operator)["TAXI_OPERATOR_INSTANCE"] == instance


def test_without_the_operator_the_active_service_leads_to_the_champion() -> None:
    service = objects("without-operator", "Service")["taxi-predict"]

    assert service["spec"]["selector"][kube.COMPONENT_LABEL] == kube.PREDICTOR
    assert set(objects("without-operator", "Role")) == {"taxi-secrets"}


@every_set
def test_the_chart_never_renders_what_the_operator_owns(name: str) -> None:
    for one in objects(name, "Deployment").values():
        annotations = one["spec"]["template"]["metadata"].get("annotations", {})

        assert kube.MODEL_VERSION_ANNOTATION not in annotations


@pytest.mark.parametrize("component", ["operator", "report", "backup", "data"])
@pytest.mark.parametrize("enabled", [True, False])
def test_a_part_that_is_off_has_no_user(component: str, enabled: bool) -> None:
    switches = {"report": "batchReport", "data": "dataTool"}
    values: dict[str, dict[str, Any]] = {"backup": {"destination": "s3://bucket"}}
    values.setdefault(switches.get(component, component), {})["enabled"] = enabled
    found = manifests(template(values))

    secrets = {one["name"] for one in wanted_secrets(found)}
    (mongodb,) = (one for one in found if one["kind"] == "StatefulSet")
    (credentials,) = (
        one["projected"]["sources"]
        for one in mongodb["spec"]["template"]["spec"]["volumes"] if one["name"] == "credentials"
    )  # fmt: skip
    mounted = {one["secret"]["name"] for one in credentials}
    assert (f"taxi-mongodb-{component}" in secrets) == enabled
    assert (f"taxi-mongodb-{component}" in mounted) == enabled
    assert secrets >= mounted >= {f"taxi-mongodb-{one}" for one in ("root", "monitor", "train")}


def mounted_tokens(name: str, deployment: str) -> list[dict[str, Any]]:
    """Return the Secrets of a pod's folder of tokens."""
    spec = objects(name, "Deployment")[deployment]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (variable,) = (one for one in container["env"] if one["name"] == "TAXI_MONITOR_TOKENS")
    (mount,) = (one for one in container["volumeMounts"] if one["mountPath"] == variable["value"])
    assert mount["readOnly"]
    (volume,) = (one for one in spec["volumes"] if one["name"] == mount["name"])
    if "secret" in volume:
        return [volume["secret"]]
    return [one["secret"] for one in volume["projected"]["sources"]]


@pytest.mark.parametrize("deployment", ["taxi-predictor", "taxi-fallback"])
def test_a_predictor_has_no_token_for_labels(deployment: str) -> None:
    items = [{"key": "ingest", "path": "ingest"}]
    assert mounted_tokens("default", deployment) == [
        {"name": "taxi-monitor-token", "optional": False, "items": items}
    ]
    # The one token that older releases had for all is still in the chart's Secret.
    items = [{"key": key, "path": key} for key in ("ingest", "labels", "read")]
    assert mounted_tokens("default", "taxi-monitor") == [
        {"secretName": "taxi-monitor-token", "items": items}
    ]
    # Who brings one of an older release has one token for all, which pods must start with.
    assert mounted_tokens("existing-secrets", deployment) == [
        {"name": "label-token", "optional": True, "items": [{"key": key, "path": key}]}
        for key in ("ingest", "token")
    ]
    # It may have tokens of senders by name.
    assert mounted_tokens("existing-secrets", "taxi-monitor") == [{"secretName": "label-token"}]


def first_model(found: Sequence[Manifest]) -> Manifest:
    """Return the Job that trains the first model."""
    (job,) = (
        one for one in found
        if one["kind"] == "Job" and "-first-model-" in one["metadata"]["name"]
    )  # fmt: skip
    return job


def test_the_first_model_is_an_ordinary_job_named_after_its_pod() -> None:
    job = first_model(rendered("default"))
    changed = manifests(template({"firstModel": {"example": "taxi_duration/green-2020-03-before"}}))
    other = first_model(changed)

    assert "helm.sh/hook" not in job["metadata"].get("annotations", {})
    assert re.fullmatch(r"taxi-first-model-[0-9a-f]{10}", job["metadata"]["name"])
    assert other["metadata"]["name"] != job["metadata"]["name"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["bootstrap", *example_of("green-2021-01")]


def example_of(sample: str) -> list[str]:
    folder = "/opt/taxi/share/models/taxi_duration"
    return [f"--data={folder}/samples/{sample}.parquet", f"--schema={folder}/schema.toml"]


@pytest.mark.parametrize(
    ("first", "data", "volumes"),
    [
        ({"dataURL": "https://example.com/rows.csv"}, "https://example.com/rows.csv", 2),
        ({"volumeClaim": {"name": "rows", "path": "a/b.parquet"}}, "/data/a/b.parquet", 3),
    ],
)
def test_a_schema_of_ones_own_reaches_the_jobs(
    first: dict[str, Any], data: str, volumes: int
) -> None:
    schema = 'target = { name = "y" }\n[[columns]]\nname = "x"\nkind = "number"\n'
    made = manifests(template({"model": {"schema": schema}, "firstModel": first}))
    (config,) = (one for one in made if one["metadata"]["name"].endswith("-schema"))
    job = first_model(made)
    (template_,) = (
        one["spec"]["jobTemplate"] for one in made
        if one["kind"] == "CronJob" and one["metadata"]["name"].endswith("-train")
    )  # fmt: skip

    assert config["data"]["schema.toml"] == schema
    spec = job["spec"]["template"]["spec"]
    assert spec["containers"][0]["args"] == ["bootstrap", f"--data={data}"]
    assert len(spec["volumes"]) == volumes
    for pod in (spec, template_["spec"]["template"]["spec"]):
        (container,) = pod["containers"]
        assert {"name": "TAXI_TRAIN_SCHEMA", "value": "/schema/schema.toml"} in container["env"]
        assert {"name": "schema", "configMap": {"name": config["metadata"]["name"]}} in (
            pod["volumes"]
        )


@pytest.mark.parametrize("binary", helm_binaries(), ids=lambda path: Path(path).name)
@pytest.mark.parametrize(
    "schema",
    [
        '    id = "row"\n\n[[columns]]\nname = "x"\n',
        '\n\t# indented\nid = "row"\n',
        'id = "row"\r\n  [[columns]]\r\nname = "x"\r\n',
        'id = "row" # <&> \\ {{ .Values }} "quoted" \u20ac\n\n\n',
        'id = "row"',
    ],
)
def test_a_schema_reaches_the_jobs_as_it_is(schema: str, binary: str) -> None:
    rows = {"dataURL": "https://example.com/rows.csv"}
    made = manifests(template({"model": {"schema": schema}, "firstModel": rows}, binary=binary))

    (config,) = (one for one in made if one["metadata"]["name"].endswith("-schema"))
    assert config["data"]["schema.toml"] == schema


def test_a_schema_with_rows_of_the_default_example_is_refused() -> None:
    example = yaml.safe_load((CHART / "values.yaml").read_text())["firstModel"]["example"]
    schema = {"model": {"schema": 'id = "row"\n'}}
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        template(schema)

    assert f"firstModel's data is still the example {example}" in refusal.value.stderr
    assert "firstModel.dataURL" in refusal.value.stderr
    assert template({**schema, "firstModel": {"enabled": False}})
    assert template({**schema, "firstModel": {"example": "flight_delay/flights-2013-02"}})


@pytest.mark.parametrize(
    ("first", "told"),
    [
        ({"dataURL": "https://example.com/rows.csv"}, "model.schema is missing"),
        ({"volumeClaim": {"name": "rows"}}, "volumeClaim.path is missing"),
        ({"example": ""}, "give one, or set firstModel.enabled=false"),
    ],
)
def test_a_first_model_without_what_it_needs_is_refused(first: dict[str, Any], told: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        template({"firstModel": first})

    assert told in refusal.value.stderr


def test_the_period_of_the_first_model_reaches_the_job() -> None:
    job = first_model(rendered("everything"))

    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == [
        "bootstrap", *example_of("green-2020-03-before"), "--from=2020-03-01", "--to=2020-03-14",
    ]  # fmt: skip


def test_the_train_template_never_runs_by_itself() -> None:
    cronjob = objects("default", "CronJob")["taxi-train"]
    job = cronjob["spec"]["jobTemplate"]["spec"]

    assert cronjob["spec"]["suspend"] is True
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    (container,) = job["template"]["spec"]["containers"]
    assert (container["name"], container["args"]) == ("train", ["run"])


def test_predictor_and_fallback_differ_in_their_alias_only() -> None:
    deployments = objects("default", "Deployment")
    champion, fallback = (
        environment(deployments[name]["spec"]["template"]["spec"]["containers"][0])
        for name in ("taxi-predictor", "taxi-fallback")
    )

    assert {key for key in champion | fallback if champion.get(key) != fallback.get(key)} == {
        "TAXI_PREDICT_ALIAS",
        "TAXI_PREDICT_SHADOW_ALIAS",
    }


def test_a_full_disk_of_the_node_does_not_reach_the_shared_counters() -> None:
    # They are mapped into memory: a write that finds no room ends the process.
    for name in ("taxi-predictor", "taxi-fallback"):
        spec = objects("default", "Deployment")[name]["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        folder = environment(container)["PROMETHEUS_MULTIPROC_DIR"]
        (mount,) = (one for one in container["volumeMounts"] if one["mountPath"] == folder)
        (volume,) = (one for one in spec["volumes"] if one["name"] == mount["name"])

        assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "32Mi"}


def test_a_disruption_budget_exists_only_with_several_replicas() -> None:
    assert set(objects("default", "PodDisruptionBudget")) == {"taxi-predictor"}
    assert not objects("single-replica", "PodDisruptionBudget")


def test_images_can_come_from_one_registry_and_by_digest() -> None:
    for pod, spec in pods(rendered("everything")):
        for container in spec["containers"]:
            assert container["image"].startswith("registry.example/"), pod
            by_digest = "@sha256:" in container["image"]
            assert by_digest == ("predict@" in container["image"]), pod
    for pod, spec in pods(rendered("air-gapped")):
        for container in spec["containers"]:
            assert re.match(r"registry\.corp\.example/.*@sha256:", container["image"]), pod


def test_auto_leaves_out_what_the_cluster_does_not_know() -> None:
    without = manifests(template(monitoring=False))

    assert {"ServiceMonitor", "PrometheusRule"}.isdisjoint(one["kind"] for one in without)
    assert {"taxi-predictor", "taxi-fallback", "taxi-monitor", "taxi-operator"} == set(
        objects("default", "ServiceMonitor")
    )


def test_service_monitors_find_one_service_each_and_its_port() -> None:
    services = objects("default", "Service")
    for name, monitor in objects("default", "ServiceMonitor").items():
        wanted = monitor["spec"]["selector"]["matchLabels"]
        found = [
            one for one in services.values() if wanted.items() <= one["metadata"]["labels"].items()
        ]

        expected = name if name == "taxi-operator" else f"{name}-metrics"
        assert [one["metadata"]["name"] for one in found] == [expected]
        ports = {port["name"] for port in found[0]["spec"]["ports"]}
        (endpoint,) = monitor["spec"]["endpoints"]
        assert ports == {endpoint["port"]} == {"metrics"}
        # Queries, rules and policies know a part by its own name.
        (job,) = endpoint["relabelings"]
        assert (job["targetLabel"], job["replacement"]) == ("job", name)
        assert monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_what_answers_clients_answers_no_probe() -> None:
    for name in ("taxi-predictor", "taxi-fallback", "taxi-monitor"):
        spec = objects("default", "Deployment")[name]["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] == "metrics"
        ports = {one["name"]: one["containerPort"] for one in container["ports"]}
        own = environment(container)
        (setting,) = (own[key] for key in own if key.endswith("_METRICS_PORT"))
        assert setting == str(ports["metrics"])
        (service,) = objects("default", "Service")[f"{name}-metrics"]["spec"]["ports"]
        # Headless: its port is the pods'.
        assert service["port"] == ports["metrics"]


@every_set
def test_probes_and_services_name_ports_that_exist(name: str) -> None:
    for _, spec in pods(rendered(name)):
        for container in spec["containers"]:
            ports = {port["name"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                action = container.get(probe, {})
                port = (action.get("httpGet") or action.get("tcpSocket") or {}).get("port")
                assert port is None or port in ports


def test_the_operator_may_do_exactly_what_its_code_does() -> None:
    granted: dict[str, set[str]] = {}
    for rule in objects("default", "Role")["taxi-operator"]["rules"]:
        for resource in rule["resources"]:
            granted.setdefault(resource, set()).update(rule["verbs"])
            if "patch" in rule["verbs"] and resource in {"services", "deployments"}:
                assert rule["resourceNames"], f"{resource} may be changed by name only"

    # The calls of operator/src/taxi_operator/adapters/cluster.py, its watches, and kopf's.
    assert granted == {
        "driftpolicies": {"get", "list", "watch", "patch"},
        "driftpolicies/status": {"patch"},
        "cronjobs": {"get", "list", "watch"},
        "jobs": {"create", "get", "list", "watch", "patch"},
        "pods": {"list"},
        "services": {"get", "list", "watch", "patch"},
        "deployments": {"get", "list", "watch", "patch"},
        "endpointslices": {"list"},
        "events": {"create"},
    }
