"""Decisions link to reports where the release makes reports, and nowhere else."""

import subprocess
from typing import Any

import pytest
from support.chart import environment, manifests, template

from taxi_operator.core.decisions import Action, Decision
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.memory.notices import Told
from taxi_operator.memory.status import Status
from taxi_operator.reports import ReportSource, report_job
from taxi_operator.settings import Settings
from taxi_runtime.settings import read

pytestmark = pytest.mark.chart

Manifest = dict[str, Any]
PREFIX = "TAXI_OPERATOR_REPORT_"
CRONJOB, URL = f"{PREFIX}CRONJOB", f"{PREFIX}URL"


def release(values: Manifest, name: str = "taxi") -> dict[tuple[str, str], Manifest]:
    """Return the objects of a release by kind and name."""
    found = manifests(template(values, release=name))
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def told(found: dict[tuple[str, str], Manifest]) -> dict[str, str]:
    """Return what the operator is told about reports."""
    (operator,) = (
        one for (kind, name), one in found.items()
        if kind == "Deployment" and name.endswith("-operator")
    )  # fmt: skip
    (container,) = operator["spec"]["template"]["spec"]["containers"]
    variables = environment(container)
    return {name: value for name, value in variables.items() if name.startswith(PREFIX)}


@pytest.mark.parametrize("block", [{}, None, {"enabled": False, "url": "https://m"}])
def test_without_reports_the_operator_knows_of_none(block: Manifest | None) -> None:
    assert told(release({"batchReport": block})) == {}


@pytest.mark.parametrize("name", ["taxi", "other"])
def test_operator_is_told_the_cronjob_of_its_own_release(name: str) -> None:
    found = release({"batchReport": {"enabled": True}}, name)

    assert told(found) == {CRONJOB: f"{name}-report", URL: f"http://{name}-monitor.ns"}
    assert ("CronJob", told(found)[CRONJOB]) in found
    (port,) = found["Service", f"{name}-monitor"]["spec"]["ports"]
    assert port["port"] == 80


def test_address_of_an_ingress_is_that_of_the_links(monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(release({"batchReport": {"enabled": True, "url": "https://taxi.example/m"}}))
    given = {"TAXI_OPERATOR_NAMESPACE": "ns", "TAXI_MONGODB_URI": "mongodb://m/taxi", **found}
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    settings = read(Settings)

    assert (settings.report_cron_job, settings.report_url) == (
        "taxi-report", "https://taxi.example/m",
    )  # fmt: skip
    assert settings.report_span_seconds == ReportSource().span_seconds


@pytest.mark.parametrize(
    "url", ["https://u:secret@taxi.example", "http://u@taxi.example/m", "http://@taxi.example"]
)
def test_address_with_a_password_is_refused_since_links_are_published(url: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        release({"batchReport": {"enabled": True, "url": url}})

    assert "url" in caught.value.stderr
    assert told(release({"batchReport": {"enabled": True, "url": "http://m/a@b"}}))


def test_cronjob_of_the_chart_has_what_the_operator_changes() -> None:
    values = {"enabled": True, "output": "json", "timeZone": "Europe/Berlin"}
    cron_job = release({"batchReport": values})["CronJob", "taxi-report"]

    job = report_job(cron_job, PolicyKey("p", "0a1b2c3d"), 1, ["run", "--from", "a"])

    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["run", "--from", "a", "--output=json"]
    assert environment(container)["TAXI_REPORT_TIME_ZONE"] == "Europe/Berlin"
    assert job["spec"]["ttlSecondsAfterFinished"] > 0


def test_operator_may_read_the_template_and_make_its_job_and_nothing_more() -> None:
    def rules(values: Manifest) -> list[Manifest]:
        found: list[Manifest] = release(values)["Role", "taxi-operator"]["rules"]
        return found

    granted = rules({"batchReport": {"enabled": True}})

    assert granted == rules({})
    verbs = {one["resources"][0]: one["verbs"] for one in granted if one["apiGroups"] == ["batch"]}
    assert verbs == {
        "cronjobs": ["get", "list", "watch"],
        "jobs": ["create", "get", "list", "watch", "patch"],
    }


@pytest.mark.parametrize("where", ["decision", "history"])
def test_resource_has_a_field_for_each_fact_of_a_decision(where: str) -> None:
    (crd,) = (one for (kind, _), one in release({}).items() if kind == "CustomResourceDefinition")
    (version,) = crd["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"][where]
    status = Status().decided(1, Decision(Action.RETRAIN, ("drift",)), 1_760_000_000.0, "why")
    figures = {"candidate": "v", "gain": "g", "seconds": "s"}
    status = status.with_outcome(1, "Promoted", 1_760_000_000.0, **figures)
    status = status.with_report(url="u", start="s", job="j", message="m")
    assert status.decision is not None
    whole = status.with_notice(status.decision, Told.DUE).decision

    assert whole is not None
    assert set(schema.get("items", schema)["properties"]) == set(whole)
