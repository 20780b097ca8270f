"""The operator is told the platform's webhook, and how many runs may go on at the same time."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.chart import environment, manifests, objects, template

from taxi_operator.app import webhook_of
from taxi_operator.settings import Settings
from taxi_runtime.settings import read

pytestmark = pytest.mark.chart

Manifest = dict[str, Any]
NEEDED = {"TAXI_OPERATOR_NAMESPACE": "ns", "TAXI_MONGODB_URI": "mongodb://m/taxi"}
PREFIXES = ("TAXI_OPERATOR_WEBHOOK", "TAXI_OPERATOR_CLUSTER", "TAXI_OPERATOR_MAX")


def told(pod: Manifest) -> dict[str, str]:
    """Return what the operator is told."""
    (container,) = pod["containers"]
    found = environment(container)
    return {name: value for name, value in found.items() if name.startswith(PREFIXES)}


def pod_of(values: Manifest) -> Manifest:
    """Return the spec of the operator's pod."""
    (deployment,) = (
        one for one in manifests(template({"operator": values}))
        if one["kind"] == "Deployment" and one["metadata"]["name"] == "taxi-operator"
    )  # fmt: skip
    spec: Manifest = deployment["spec"]["template"]["spec"]
    return spec


def test_default_tells_nobody_and_lets_two_runs_go_on() -> None:
    pod = pod_of({})

    assert told(pod) == {"TAXI_OPERATOR_MAX_RUNS": "2"}
    assert webhook_of(read(Settings, NEEDED | told(pod)), lambda: 0.0) is None


def test_values_reach_the_operator_and_the_whole_secret_is_mounted() -> None:
    (pod,) = (
        one["spec"]["template"]["spec"]
        for name, one in objects("everything", "Deployment").items()
        if name.endswith("operator")
    )
    settings = read(Settings, NEEDED | told(pod))
    (container,) = pod["containers"]
    (volume,) = (one for one in pod["volumes"] if one["name"] == "webhook")
    (mount,) = (one for one in container["volumeMounts"] if one["name"] == "webhook")

    assert settings.webhook_url == "https://hooks.example/taxi"
    assert (settings.cluster_name, settings.max_runs) == ("prod-eu", 5)
    assert volume["secret"] == {"secretName": "hooks"}
    assert settings.webhook_secret == Path(mount["mountPath"])
    assert mount["readOnly"]
    assert "subPath" not in mount


def test_webhook_without_a_key_is_refused() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        template({"operator": {"webhook": {"url": "https://hooks.example/taxi"}}})

    assert "operator.webhook.existingSecret: is missing" in caught.value.stderr
