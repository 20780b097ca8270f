"""The operator is told the platform's Prometheus, and what else policies may ask."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.chart import CHART, environment, manifests, objects, template

from taxi_operator.app import servers_of
from taxi_operator.settings import Settings
from taxi_operator.spec.policy import policy_of
from taxi_runtime.settings import read

pytestmark = pytest.mark.chart

Manifest = dict[str, Any]
PREFIX = "TAXI_OPERATOR_PROMETHEUS_"
EXAMPLES = CHART.parents[1] / "k8s" / "examples"


def pod_of(values: Manifest) -> Manifest:
    """Return the spec of the operator's pod."""
    (deployment,) = (
        one for one in manifests(template({"operator": {"prometheus": values}}))
        if one["kind"] == "Deployment" and one["metadata"]["name"] == "taxi-operator"
    )  # fmt: skip
    spec: Manifest = deployment["spec"]["template"]["spec"]
    return spec


def told(pod: Manifest) -> dict[str, str]:
    """Return what the operator is told of Prometheus."""
    (container,) = pod["containers"]
    found = environment(container)
    return {name: value for name, value in found.items() if name.startswith(PREFIX)}


def settings_of(pod: Manifest, monkeypatch: pytest.MonkeyPatch) -> Settings:
    given = {"TAXI_OPERATOR_NAMESPACE": "ns", "TAXI_MONGODB_URI": "mongodb://m/taxi", **told(pod)}
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    return read(Settings)


def test_default_is_that_of_kube_prometheus_stack_without_credentials() -> None:
    pod = pod_of({})

    url = "http://prometheus-operated.monitoring:9090"
    assert told(pod) == {f"{PREFIX}URL": url, f"{PREFIX}TIMEOUT": "5"}
    assert [one["name"] for one in pod["volumes"]] == ["tmp"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_ask_what_the_default_release_allows(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = servers_of(settings_of(pod_of({}), monkeypatch))
    policies = [one for one in yaml.safe_load_all(path.read_text()) if one["kind"] == "DriftPolicy"]

    assert policies
    for policy in policies:
        assert servers.require(policy_of(policy["spec"]).prometheus_url)


def test_values_reach_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    (deployment,) = (
        one
        for name, one in objects("everything", "Deployment").items()
        if name.endswith("operator")
    )
    pod = deployment["spec"]["template"]["spec"]

    settings = settings_of(pod, monkeypatch)
    servers = servers_of(settings)

    assert settings.prometheus_timeout_seconds == 10
    assert (settings.prometheus_tenant_header, settings.prometheus_tenant) == ("X-Tenant", "ml")
    assert servers.require("") == "https://mimir.example/prometheus"
    for url in ("http://prometheus-operated.monitoring:9090", "https://thanos.example/a/b"):
        assert servers.require(url) == url


def test_secret_is_mounted_as_a_whole_so_that_changes_arrive() -> None:
    pod = pod_of({"existingSecret": "of-the-platform"})
    (container,) = pod["containers"]

    (volume,) = (one for one in pod["volumes"] if "secret" in one)
    (mount,) = (one for one in container["volumeMounts"] if one["name"] == volume["name"])
    assert volume["secret"] == {"secretName": "of-the-platform"}
    assert mount["readOnly"]
    assert "subPath" not in mount
    assert told(pod)[f"{PREFIX}SECRET"] == mount["mountPath"]
