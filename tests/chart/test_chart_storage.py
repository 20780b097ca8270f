"""Ephemeral storage: a node that runs out of disk does not evict pods with records first."""

import subprocess
from typing import Any

import pytest
from support.chart import VALUE_SETS, manifests, pods, rendered, template

pytestmark = pytest.mark.chart

MIB = 2**20
_UNITS = {"Ki": 2**10, "Mi": MIB, "Gi": 2**30}
PREDICTORS = ("Deployment/taxi-predictor", "Deployment/taxi-fallback")


def size(quantity: str) -> int:
    """Return the bytes of a quantity."""
    return int(quantity[:-2]) * _UNITS[quantity[-2:]]


def disk(spec: dict[str, Any]) -> int:
    """Return the bytes that a pod's volumes may take of the node's disk."""
    folders = [one["emptyDir"] for one in spec.get("volumes", []) if "emptyDir" in one]
    return sum(size(one["sizeLimit"]) for one in folders if one.get("medium") != "Memory")


def storage(spec: dict[str, Any], kind: str) -> list[int]:
    """Return the containers' requests or limits of ephemeral storage, bytes."""
    amounts = [one["resources"].get(kind, {}) for one in spec["containers"]]
    return [size(one["ephemeral-storage"]) for one in amounts if "ephemeral-storage" in one]


@pytest.mark.parametrize("name", VALUE_SETS)
def test_a_pod_asks_for_the_disk_that_it_may_use(name: str) -> None:
    for pod, spec in pods(rendered(name)):
        # 64Mi of logs a container: the kubelet keeps five files of 10Mi.
        logs = 64 * MIB * len(spec["containers"])

        assert len(storage(spec, "requests")) == len(spec["containers"]), pod
        assert sum(storage(spec, "requests")) == disk(spec) + logs, pod


@pytest.mark.parametrize("limit", ["1Gi", "8Gi"])
def test_the_limit_of_a_spools_pod_is_above_all_that_it_holds(limit: str) -> None:
    spool = {"spool": {"sizeLimit": limit}}
    found = dict(pods(manifests(template({"predictor": spool, "fallback": spool}))))

    for pod in PREDICTORS:
        assert storage(found[pod], "limits") == [disk(found[pod]) + (64 + 512) * MIB]
        assert disk(found[pod]) > size(limit)


def test_storage_can_be_given() -> None:
    resources = {"requests": {"ephemeral-storage": "5Gi"}, "limits": {"ephemeral-storage": "9Gi"}}
    found = dict(pods(manifests(template({"predictor": {"resources": resources}}))))

    (container,) = found["Deployment/taxi-predictor"]["containers"]
    assert container["resources"]["requests"]["ephemeral-storage"] == "5Gi"
    assert container["resources"]["limits"]["ephemeral-storage"] == "9Gi"
    assert container["resources"]["limits"]["memory"] == "512Mi"


def test_a_larger_request_raises_the_limit() -> None:
    resources = {"requests": {"ephemeral-storage": "5Gi"}}
    found = dict(pods(manifests(template({"predictor": {"resources": resources}}))))

    assert storage(found["Deployment/taxi-predictor"], "limits") == [5 * 1024 * MIB + 512 * MIB]


def test_resources_can_be_left_out() -> None:
    found = dict(pods(manifests(template({"predictor": {"resources": None}}))))

    spec = found["Deployment/taxi-predictor"]
    assert storage(spec, "limits") == [disk(spec) + (64 + 512) * MIB]


@pytest.mark.parametrize("limit", ["1Gi", 1_000_000_000])
def test_a_limit_that_would_evict_records_is_refused(limit: str | int) -> None:
    values = {"predictor": {"resources": {"limits": {"ephemeral-storage": limit}}}}

    with pytest.raises(subprocess.CalledProcessError) as caught:
        template(values)

    problem = f"predictor.resources.limits.ephemeral-storage: {limit}"
    assert problem in caught.value.stderr
    assert "give at least 1152Mi" in caught.value.stderr


FAST: dict[str, Any] = {"spec": {"storageClassName": "fast"}}


def on_volumes(claim: dict[str, Any], **spool: Any) -> dict[str, dict[str, Any]]:
    """Return the predictors' pods, whose spools are on volumes of their own."""
    part = {"spool": {"volumeClaimTemplate": claim, **spool}}
    found = dict(pods(manifests(template({"predictor": part, "fallback": part}))))
    return {pod: found[pod] for pod in PREDICTORS}


def claim_of(spec: dict[str, Any]) -> dict[str, Any]:
    (volume,) = (one for one in spec["volumes"] if one["name"] == "data")
    claim: dict[str, Any] = volume["ephemeral"]["volumeClaimTemplate"]
    assert set(volume) == {"name", "ephemeral"}
    return claim


def test_a_spool_can_be_on_a_volume_of_its_pod() -> None:
    for pod, spec in on_volumes(FAST, sizeLimit="4Gi").items():
        claim = claim_of(spec)

        assert claim["spec"] == {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "4Gi"}},
            "storageClassName": "fast",
        }
        component = pod.rpartition("-")[2]
        assert claim["metadata"]["labels"]["app.kubernetes.io/component"] == component


def test_a_volume_is_no_disk_of_the_node() -> None:
    for spec in on_volumes(FAST, sizeLimit="100Gi").values():
        # /tmp and the logs.
        assert disk(spec) == 64 * MIB
        assert storage(spec, "requests") == [128 * MIB]
        assert storage(spec, "limits") == [(128 + 512) * MIB]


def test_the_claim_of_a_spool_can_say_what_it_is() -> None:
    modes = ["ReadWriteOncePod"]
    own = {"accessModes": modes, "resources": {"requests": {"storage": "2Gi"}}}
    labels = {"labels": {"example.org/backup": "none"}, "annotations": {"example.org/a": "b"}}
    for spec in on_volumes({"metadata": labels, "spec": own}).values():
        claim = claim_of(spec)

        assert claim["spec"] == own
        assert claim["metadata"]["annotations"] == {"example.org/a": "b"}
        assert claim["metadata"]["labels"]["example.org/backup"] == "none"
        assert claim["metadata"]["labels"]["app.kubernetes.io/instance"] == "taxi"
    for spec in on_volumes({"spec": {}}).values():
        assert "storageClassName" not in claim_of(spec)["spec"]


@pytest.mark.parametrize("part", ["predictor", "fallback"])
@pytest.mark.parametrize(
    ("claim", "field"),
    [
        ({"spec": {}}, "sizeLimit: 560Mi"),
        (
            {"spec": {"resources": {"requests": {"storage": "560Mi"}}}},
            "volumeClaimTemplate.spec.resources.requests.storage: 560Mi",
        ),
        (
            {"spec": {"resources": {"requests": {"storage": 560_000_000}}}},
            "volumeClaimTemplate.spec.resources.requests.storage: 560000000",
        ),
    ],
)
def test_a_volume_that_a_spool_would_fill_is_refused(
    part: str, claim: dict[str, Any], field: str
) -> None:
    # 256Mi of records and 256Mi of models would fit, but for what the file system takes.
    with pytest.raises(subprocess.CalledProcessError) as caught:
        template({part: {"spool": {"sizeLimit": "560Mi", "volumeClaimTemplate": claim}}})

    assert f"{part}.spool.{field} does not hold spool.maxBytes" in caught.value.stderr
    assert "give at least 564Mi" in caught.value.stderr
