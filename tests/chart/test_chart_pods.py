"""What users add to pods: the same keys in all parts, given for one or for all."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.chart import CHART, Manifest, helm_binaries, manifests, template

pytestmark = pytest.mark.chart

#: Parts and the pods that they have, by the label of their component.
PARTS = {
    "predictor": ["predictor"],
    "fallback": ["fallback"],
    "monitor": ["monitor"],
    "operator": ["operator"],
    "train": ["train"],
    "batchReport": ["report", "dask-scheduler", "dask-worker"],
    "backup": ["backup"],
    "dataTool": ["data"],
    "mongodb": ["mongodb"],
}
ON: dict[str, dict[str, Any]] = {
    "batchReport": {"enabled": True, "dask": {"enabled": True}},
    "backup": {"enabled": True, "destination": "s3://bucket/taxi"},
    "dataTool": {"enabled": True},
}
COMPONENT = "app.kubernetes.io/component"
GIVEN: dict[str, Any] = {
    "env": [{"name": "EXTRA", "value": "1"}],
    "envFrom": [{"secretRef": {"name": "extra"}}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca", "readOnly": True}],
    "initContainers": [{"name": "before", "image": "registry.example/before:1"}],
    "extraContainers": [{"name": "beside", "image": "registry.example/beside:1"}],
    "lifecycle": {"postStart": {"exec": {"command": ["/bin/true"]}}},
    "podAnnotations": {"example.org/a": "b"},
    "podLabels": {"example.org/c": "d"},
    "podSecurityContext": {"supplementalGroups": [1000660000]},
    "containerSecurityContext": {"runAsUser": 1000660000},
    "hostUsers": False,
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    ],
    "priorityClassName": "high",
    "runtimeClassName": "gvisor",
    "schedulerName": "volcano",
    "dnsPolicy": "None",
    "dnsConfig": {"nameservers": ["10.0.0.10"]},
    "hostAliases": [{"ip": "10.1.2.3", "hostnames": ["mongodb.example"]}],
}
NOTHING_TO_SCALE_BY = {"enabled": True, "targetCPUUtilizationPercentage": None}
OF_THE_POD = (
    "nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName",
    "runtimeClassName", "schedulerName", "dnsPolicy", "dnsConfig", "hostAliases", "hostUsers",
)  # fmt: skip


def templates(values: dict[str, Any]) -> dict[str, Manifest]:
    """Return the pod templates of a release with all parts on, by component."""
    whole = {part: {**ON.get(part, {}), **values.get(part, {})} for part in {**ON, **values}}
    found: dict[str, Manifest] = {}
    for one in manifests(template(whole)):
        spec = one.get("spec") or {}
        pod = (spec.get("jobTemplate") or {"spec": spec})["spec"].get("template")
        if pod:
            found[pod["metadata"]["labels"][COMPONENT]] = pod
    return found


@cache
def given(where: str) -> dict[str, Manifest]:
    """Return the pods where all keys are given: in `pods`, or in the block of each part."""
    return templates({"pods": GIVEN} if where == "pods" else dict.fromkeys(PARTS, GIVEN))


@pytest.mark.parametrize("where", ["pods", "parts"])
@pytest.mark.parametrize("component", [one for parts in PARTS.values() for one in parts])
def test_every_part_takes_every_key(component: str, where: str) -> None:
    pod = given(where)[component]
    spec, main = pod["spec"], pod["spec"]["containers"][0]

    assert pod["metadata"]["annotations"]["example.org/a"] == "b"
    assert pod["metadata"]["labels"]["example.org/c"] == "d"
    wanted = {key: GIVEN[key] for key in OF_THE_POD}
    assert {key: spec.get(key) for key in OF_THE_POD} == wanted or (
        # The operator leaves lost nodes soon, unless its own block says otherwise.
        (component, where) == ("operator", "pods")
    )
    assert spec["securityContext"]["supplementalGroups"] == [1000660000]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert main["securityContext"]["runAsUser"] == 1000660000
    assert main["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert GIVEN["extraVolumes"][0] in spec["volumes"]
    assert GIVEN["extraVolumeMounts"][0] in main["volumeMounts"]
    if component == "dask-scheduler" or (component == "dask-worker" and where == "parts"):
        return  # The rest is of a report's container, as far as it is not what workers need.
    assert GIVEN["env"][0] in main["env"]
    assert GIVEN["envFrom"][0] in main["envFrom"]


@pytest.mark.parametrize("component", ["predictor", "mongodb", "monitor", "operator"])
def test_containers_of_ones_own_stand_beside_those_of_a_server(component: str) -> None:
    spec = given("parts")[component]["spec"]

    assert [one["name"] for one in spec["initContainers"]] == ["before"]
    assert spec["containers"][-1]["name"] == "beside"
    for one in (spec["initContainers"][0], spec["containers"][-1]):
        assert one["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize("component", ["train", "report", "backup", "data"])
def test_a_container_beside_that_of_a_job_ends_with_it(component: str) -> None:
    spec = given("parts")[component]["spec"]

    assert len(spec["containers"]) == 1
    names = {one["name"]: one.get("restartPolicy") for one in spec["initContainers"]}
    assert names == {"before": None, "beside": "Always"}


def test_probes_differ_in_what_is_given() -> None:
    plain = templates({})
    slow = {"livenessProbe": {"timeoutSeconds": 30}, "readinessProbe": {"exec": {"command": ["a"]}}}
    for found, part in ((templates({"monitor": slow}), "monitor"), (templates({"pods": slow}), "")):
        before, after = (
            pods["monitor"]["spec"]["containers"][0] for pods in (plain, found)
        )  # fmt: skip
        assert after["livenessProbe"] == {**before["livenessProbe"], "timeoutSeconds": 30}
        handler = {**before["readinessProbe"], "exec": {"command": ["a"]}}
        handler.pop("httpGet")
        assert after["readinessProbe"] == handler
        assert after["startupProbe"] == before["startupProbe"]
        assert "livenessProbe" not in found["train"]["spec"]["containers"][0]
        assert (found["predictor"] == plain["predictor"]) == bool(part)


def test_a_hook_of_ones_own_takes_the_place_of_the_charts() -> None:
    own = {"preStop": {"sleep": {"seconds": 20}}}
    for values, wanted in (
        ({"lifecycle": own}, own),
        ({"lifecycle": GIVEN["lifecycle"]}, {"preStop", "postStart"}),
    ):
        (container,) = templates({"predictor": values})["predictor"]["spec"]["containers"]
        assert container["lifecycle"] == wanted or set(container["lifecycle"]) == wanted


def test_a_part_wins_over_all_pods() -> None:
    found = templates({
        "pods": {"priorityClassName": "low", "podLabels": {"a": "1", "b": "1"}, "hostUsers": True},
        "monitor": {"priorityClassName": "high", "podLabels": {"b": "2"}, "hostUsers": False},
    })  # fmt: skip

    assert found["predictor"]["spec"]["priorityClassName"] == "low"
    assert found["monitor"]["spec"]["priorityClassName"] == "high"
    assert found["monitor"]["spec"]["hostUsers"] is False
    assert {"a": "1", "b": "2"}.items() <= found["monitor"]["metadata"]["labels"].items()


@pytest.mark.parametrize("binary", helm_binaries(), ids=lambda path: Path(path).name)
def test_fixed_ids_can_be_left_to_the_cluster(binary: str) -> None:
    found = manifests(template({"fixedIds": False, **ON}, binary=binary))

    assert "runAsUser" not in str(found)
    assert "fsGroup'" not in str(found)
    assert "runAsGroup" not in str(found)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"monitor": {"env": [{"name": "TAXI_MODEL", "value": "a"}]}}, 'monitor.env: name "TAXI_'),
        ({"pods": {"env": [{"name": "A"}, {"name": "A"}]}}, '.env: name "A" is there already'),
        ({"train": {"extraVolumes": [{"name": "tmp"}]}}, 'train.extraVolumes: name "tmp"'),
        (
            {"operator": {"extraVolumeMounts": [{"name": "a", "mountPath": "/tmp"}]}},
            'operator.extraVolumeMounts: mountPath "/tmp"',
        ),
        ({"commonLabels": {"app.kubernetes.io/name": "a"}}, "commonLabels: app.kubernetes.io/name"),
        (
            {"commonLabels": {"app.kubernetes.io/instance": "a"}},
            "commonLabels: app.kubernetes.io/instance is the chart's own",
        ),
        (
            {"mongodb": {"podLabels": {"app.kubernetes.io/component": "a"}}},
            "mongodb.podLabels: app.kubernetes.io/component",
        ),
        (
            {"active": {"service": {"labels": {"app.kubernetes.io/instance": "a"}}}},
            "active.service.labels: app.kubernetes.io/instance is the chart's own",
        ),
        (
            {"metrics": {"serviceMonitor": {"interval": "5s", "scrapeTimeout": "1m"}}},
            "metrics.serviceMonitor.scrapeTimeout: 1m is above the interval, 5s",
        ),
        ({"nameOverride": "two words"}, "nameOverride"),
        ({"predictor": {"autoscaling": {"enabled": True, "minReplicas": 9}}}, "minReplicas: 9"),
        (
            {"fallback": {"autoscaling": NOTHING_TO_SCALE_BY}},
            "fallback.autoscaling: has nothing to scale by",
        ),
        ({"monitor": {"updateStrategy": {"type": "RollingUpdate"}}}, "updateStrategy"),
        ({"predictor": {"livenessProbe": {"enabled": False}}}, "enabled"),
        ({"pods": {"sidecars": []}}, "sidecars"),
    ],
)  # fmt: skip
def test_what_would_break_or_be_lost_is_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        template(values)

    assert problem in caught.value.stderr


@pytest.mark.parametrize("timeout", ["5s", "5000ms"])
def test_a_scrape_may_take_the_whole_interval(timeout: str) -> None:
    assert template({"metrics": {"serviceMonitor": {"interval": "5s", "scrapeTimeout": timeout}}})


def by_name(values: dict[str, Any], kind: str) -> dict[str, Manifest]:
    found = manifests(template(values))
    return {one["metadata"]["name"]: one["spec"] for one in found if one["kind"] == kind}


@pytest.mark.parametrize("part", ["predictor", "fallback"])
def test_a_number_of_pods_that_others_decide_is_left_out(part: str) -> None:
    scaled = {part: {"autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 9}}}
    for values in (scaled, {part: {"replicas": None}}):
        assert "replicas" not in by_name(values, "Deployment")[f"taxi-{part}"]
        assert f"taxi-{part}" in by_name(values, "PodDisruptionBudget")

    (scaler,) = by_name(scaled, "HorizontalPodAutoscaler").values()
    assert scaler["scaleTargetRef"]["name"] == f"taxi-{part}"
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 9)
    assert not by_name({}, "HorizontalPodAutoscaler")


def test_workloads_follow_the_values() -> None:
    values: dict[str, Any] = {
        "pods": {"revisionHistoryLimit": 3},
        "operator": {"revisionHistoryLimit": 0},
        "predictor": {
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3}},
            "pdb": {"minAvailable": "50%", "unhealthyPodEvictionPolicy": ""},
        },
        "mongodb": {"updateStrategy": {"type": "OnDelete"}},
    }
    deployments = by_name(values, "Deployment")

    limits = {name: one["revisionHistoryLimit"] for name, one in deployments.items()}
    assert limits == {
        "taxi-predictor": 3, "taxi-fallback": 3, "taxi-monitor": 3, "taxi-operator": 0,
    }  # fmt: skip
    assert deployments["taxi-predictor"]["strategy"]["rollingUpdate"] == {"maxSurge": 3}
    assert by_name(values, "StatefulSet")["taxi-mongodb"]["updateStrategy"] == {"type": "OnDelete"}
    budget = by_name(values, "PodDisruptionBudget")["taxi-predictor"]
    assert budget["minAvailable"] == "50%"
    assert {"maxUnavailable", "unhealthyPodEvictionPolicy"}.isdisjoint(budget)
    assert not by_name({"predictor": {"pdb": {"enabled": False}}}, "PodDisruptionBudget")


def test_values_of_the_release_before_still_render() -> None:
    # `helm upgrade --reuse-values` brings none of the new ones.
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    new = {*values["pods"], "autoscaling", "pdb", "updateStrategy"}
    of_before = {"podAnnotations", "podLabels", "nodeSelector", "tolerations", "affinity", "env"}
    old: dict[str, Any] = dict.fromkeys(("pods", "fixedIds"))
    for part in PARTS:
        old[part] = dict.fromkeys(new & set(values[part]) - of_before)

    assert manifests(template(old))
