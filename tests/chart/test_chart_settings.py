"""The environment that the chart sets is the one that the parts read."""

import importlib
from functools import cache
from typing import Any

import pytest
from pydantic import TypeAdapter
from support.chart import CHART, environment, manifests, pods, template

from taxi_profiles.scores.registry import SCORES
from taxi_runtime.settings import read

pytestmark = pytest.mark.chart

ROOT = CHART.parents[1]
SETTINGS = {
    "predictor": "taxi_predict.settings",
    "monitor": "taxi_monitor.settings",
    "train": "taxi_train.settings",
    "operator": "taxi_operator.settings",
    "report": "taxi_report.settings",
    "backup": "taxi_report.settings",
    "data": "taxi_report.settings",
}
GIVEN_BY_REFERENCE = {"TAXI_MONGODB_URI": "mongodb://from-a-secret/taxi"}
#: Read by a library, not by our settings.
OF_LIBRARIES = {
    "PROMETHEUS_MULTIPROC_DIR", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "OTEL_SERVICE_NAME",
    "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_RESOURCE_ATTRIBUTES_POD_NAME", "OTEL_EXPORTER_OTLP_HEADERS",
}  # fmt: skip


def variables_of(module: str) -> dict[str, Any]:
    fields = importlib.import_module(module).Settings.model_fields
    return {str(field.validation_alias or field.alias): field for field in fields.values()}


@cache
def release() -> list[dict[str, Any]]:
    """Return a release with all parts and as many settings of theirs as can be."""
    report = {
        "enabled": True,
        "prometheus": {"url": "http://prometheus:9090"},
        "prefect": {"apiUrl": "http://prefect:4200/api", "existingSecret": "prefect"},
        "dask": {"enabled": True},
    }
    prometheus = {
        "existingSecret": "prometheus", "tenant": "ml",
        "allowedURLs": ["http://a:9090", "https://b.example/prometheus"],
    }  # fmt: skip
    webhook = {"url": "https://hooks.example", "existingSecret": "hooks", "clusterName": "eu"}
    operator = {"prometheus": prometheus, "webhook": webhook}
    monitor = {"scores": list(SCORES)}
    backup = {"enabled": True, "destination": "s3://bucket/taxi"}
    values = {
        "batchReport": report, "operator": operator, "monitor": monitor,
        "backup": backup, "dataTool": {"enabled": True},
        "predictor": {"existingTokenSecret": "callers"},
        "tracing": {"enabled": True, "endpoint": "http://collector:4318", "existingSecret": "otlp"},
    }  # fmt: skip
    return manifests(template(values))


def containers(name: str) -> list[dict[str, Any]]:
    return [
        container
        for _, spec in pods(release())
        for container in spec["containers"]
        if container["name"] == name
    ]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_variable_is_a_setting(name: str) -> None:
    known = set(variables_of(SETTINGS[name])) | OF_LIBRARIES

    assert containers(name)
    for container in containers(name):
        assert set(environment(container)) <= known


@pytest.mark.parametrize("name", SETTINGS)
def test_defaults_are_those_of_the_settings(name: str) -> None:
    """But for addresses and names of a release, without which a part runs alone."""
    # Cores of a node say nothing about a pod's memory; a pod serves one of two aliases.
    of_pods = {"TAXI_REPORT_PROCESSES", "TAXI_PREDICT_ALIAS"}
    fields = variables_of(SETTINGS[name])
    for container in containers(name):
        for variable, value in environment(container).items():
            field = fields.get(variable)
            if field is None or field.is_required() or not isinstance(value, str):
                continue
            if field.default in {"", None} or variable in of_pods:
                continue
            assert TypeAdapter(field.annotation).validate_strings(value) == field.default, variable


@pytest.mark.parametrize("name", SETTINGS)
def test_every_required_setting_is_given(name: str) -> None:
    required = {
        variable for variable, field in variables_of(SETTINGS[name]).items() if field.is_required()
    }

    for container in containers(name):
        assert required <= set(environment(container))


@pytest.mark.parametrize("name", SETTINGS)
def test_the_values_are_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(SETTINGS[name])
    for container in containers(name):
        for variable, value in environment(container).items():
            given = GIVEN_BY_REFERENCE.get(variable, "from-a-reference")
            text = value if isinstance(value, str) else given
            monkeypatch.setenv(variable, text)

        assert read(module.Settings)


def test_the_images_run_as_the_pods_say() -> None:
    text = (ROOT / "images/part/Dockerfile").read_text()

    assert "USER 10001:10001" in text
    assert "ENTRYPOINT [" in text
