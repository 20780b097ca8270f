"""Names stay texts, however they look: as numbers, as booleans, as nothing."""

import re
import subprocess
from functools import cache
from typing import Any

import pytest
import yaml
from support.chart import environment, manifests, pods, template

pytestmark = pytest.mark.chart

#: What YAML takes for something else, in Go or in Python, when it stands without quotes.
AMBIGUOUS = ("true", "null", "1e3", "123", "0x1f", "2001-01-01", "no", "on")


def named(name: str) -> dict[str, Any]:
    """Return values that use a name wherever one can be given."""
    part = {
        "podLabels": {"label": name},
        "podAnnotations": {"annotation": name},
        "nodeSelector": {"node": name},
        "priorityClassName": name,
        "env": [{"name": "EXTRA", "value": name}],
    }
    components = (
        "root", "predictor", "monitor", "train", "operator", "report", "backup", "data",
    )  # fmt: skip
    labels = {"labels": {"label": name}, "enabled": True}
    return {
        "nameOverride": name,
        "fullnameOverride": "taxi",
        "commonLabels": {"common": name},
        "commonAnnotations": {"common": name},
        "imagePullSecrets": [name],
        "model": {"name": name, "schema": name},
        "predictor": part,
        "fallback": part,
        "monitor": {**part, "existingTokenSecret": name},
        "operator": part,
        "train": part,
        "batchReport": {
            **part,
            "enabled": True,
            "prefect": {"existingSecret": name},
            "dask": {"enabled": True},
        },
        "firstModel": {"dataURL": f"http://{name}/rows.parquet"},
        "mongodb": {
            **part,
            "existingSecrets": dict.fromkeys(components, name),
            "persistence": {"storageClass": name},
        },
        "metrics": {
            "serviceMonitor": labels,
            "prometheusRule": {**labels, "additionalRuleLabels": {"label": name}},
            "dashboards": {"labels": {"label": name}, "annotations": {"annotation": name}},
        },
    }


@cache
def rendered(name: str) -> str:
    """Return the chart with a name wherever one can be given."""
    return template(named(name), release=name, namespace=name)


def scalars(text: str, value: str, *, plain: bool) -> int:
    """Return how often a text stands in YAML without quotes (`plain`), or with them."""
    return sum(
        isinstance(token, yaml.ScalarToken) and (token.value, token.plain) == (value, plain)
        for token in yaml.scan(text)
    )


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_name_is_quoted_wherever_it_stands(name: str) -> None:
    # Switches are `true` too: as many as with another name.
    assert scalars(rendered(name), name, plain=True) == scalars(rendered("name"), name, plain=True)
    assert scalars(rendered(name), name, plain=False) > 250


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_every_label_selector_name_and_setting_is_a_string(name: str) -> None:
    for one in manifests(rendered(name)):
        assert not_strings(one) == []
        assert one["metadata"].get("namespace", name) == name


def not_strings(document: Any, path: str = "") -> list[str]:
    """Return the paths below which Kubernetes wants texts only, and something else stands."""
    maps = {"labels", "matchLabels", "annotations", "nodeSelector", "data"}
    words = {"name", "value", "namespace", "serviceName", "priorityClassName", "serviceAccountName"}
    lists = {"args", "command", "resourceNames", "matchNames"}
    below: list[tuple[Any, Any]]
    if isinstance(document, list):
        below = list(enumerate(document))
    elif isinstance(document, dict):
        below = list(document.items())
    else:
        return []
    found = []
    for key, value in below:
        texts: list[Any] = []
        if key in maps and isinstance(value, dict):
            texts = list(value.values())
        elif key in lists and isinstance(value, list):
            texts = value
        elif key in words and not isinstance(value, dict):
            texts = [value]
        found += [f"{path}/{key}: {one!r}" for one in texts if not isinstance(one, str)]
        found += not_strings(value, f"{path}/{key}")
    return found


def test_large_numbers_reach_the_settings_as_digits() -> None:
    values = {"monitor": {"minRows": 1_000_000}}
    texts = {
        name: value
        for _, spec in pods(manifests(template(values)))
        for container in spec["containers"] if "env" in container
        for name, value in environment(container).items()
    }  # fmt: skip

    assert texts["TAXI_MONITOR_MIN_ROWS"] == "1000000"


def test_large_numbers_reach_the_objects_as_digits() -> None:
    """Helm writes a million as 1e+06, which Kubernetes takes for no number of seconds."""
    million = 1_000_000
    grace = {"terminationGracePeriodSeconds": million}
    job = {**grace, "activeDeadlineSeconds": million, "ttlSecondsAfterFinished": million}
    periodic = {**job, "startingDeadlineSeconds": million, "successfulJobsHistoryLimit": million}
    values = {
        "predictor": grace, "fallback": grace, "monitor": grace, "operator": grace,
        "mongodb": grace, "train": job, "dataTool": {"enabled": True, **grace},
        "batchReport": {"enabled": True, **periodic},
        "backup": {"enabled": True, "destination": "s3://bucket/taxi", **periodic},
    }  # fmt: skip

    text = template(values)

    assert text.count(f" {million}\n") > 20
    assert not re.search(r"\d+e\+\d+", text)


@pytest.mark.parametrize("release", ["1e3", "123", "a.b"])
def test_a_release_that_no_service_can_be_named_after_is_refused(release: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        template(release=release)

    assert f'fullnameOverride: no Service can be named after "{release}"' in caught.value.stderr


@pytest.mark.parametrize("release", ["true", "null", "no", "on"])
def test_a_release_may_be_called_as_yaml_likes(release: str) -> None:
    found = manifests(template(release=release))

    assert f"{release}-predict" in {one["metadata"]["name"] for one in found}
