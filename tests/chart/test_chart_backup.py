"""Backups and the data tool in the chart."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.chart import CHART, environment, manifests, template
from typer.main import get_command

from taxi_report.data.main import app

pytestmark = pytest.mark.chart

S3 = {"destination": "s3://bucket/taxi", "existingSecret": "bucket"}
VOLUME = {"volumeClaim": {"name": "backups", "path": "/releases/taxi/"}}


def release(values: dict[str, Any], **others: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the objects of a release with backups and the tool, by kind and name."""
    given = {"backup": {"enabled": True, **values}, "dataTool": {"enabled": True}, **others}
    return {(one["kind"], one["metadata"]["name"]): one for one in manifests(template(given))}


def pod_of(found: dict[tuple[str, str], dict[str, Any]], name: str) -> dict[str, Any]:
    job = found["CronJob", f"taxi-{name}"]["spec"]["jobTemplate"]["spec"]
    return dict(job["template"]["spec"])


@pytest.mark.parametrize("values", [{}, {"backup": None, "dataTool": None}])
def test_a_release_has_neither_unless_it_is_told_to(values: dict[str, Any]) -> None:
    """`helm upgrade --reuse-values` from an earlier release has neither block."""
    found = manifests(template(values))

    names = {one["metadata"]["name"] for one in found}
    assert "taxi-train" in names
    assert not [name for name in names if "backup" in name or "-data" in name]
    (rule,) = (one for one in found if one["kind"] == "PrometheusRule")
    alerts = {one["alert"] for one in rule["spec"]["groups"][0]["rules"]}
    assert "TaxiBackupLate" not in alerts
    assert "TaxiMongodbDiskFilling" in alerts


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (["backup"], "backup.schedule"), (["backup", "volumeClaim"], "backup.volumeClaim"),
        (["images", "report"], "images.report"),
        (["dataTool", "resources"], "dataTool.resources"),
    ],
)  # fmt: skip
def test_values_of_an_older_chart_lack_what_is_needed_and_are_told_what(
    tmp_path: Path, missing: list[str], named: str
) -> None:
    older = tmp_path / "chart"
    shutil.copytree(CHART, older)
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    block = values
    for name in missing[:-1]:
        block = block[name]
    del block[missing[-1]]
    (older / "values.yaml").write_text(yaml.safe_dump(values))

    with pytest.raises(subprocess.CalledProcessError) as caught:
        template({"dataTool": {"enabled": True}}, chart=older)

    assert f"{named}: is missing; give it, or upgrade with --reset-then-reuse-values" in (
        caught.value.stderr
    )


def test_a_backup_goes_to_an_object_store_every_night() -> None:
    found = release({**S3, "keep": 30})
    spec, pod = found["CronJob", "taxi-backup"]["spec"], pod_of(found, "backup")
    (container,) = pod["containers"]

    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == (
        "45 2 * * *", "UTC", "Forbid",
    )  # fmt: skip
    assert container["args"] == ["backup", "s3://bucket/taxi", "--keep=30"]
    assert container["envFrom"] == [{"secretRef": {"name": "bucket"}}]
    assert [one["name"] for one in pod["volumes"]] == ["tmp"]
    assert environment(container)["TAXI_MONGODB_URI"] == {
        "secretKeyRef": {"name": "taxi-mongodb-backup", "key": "uri"}
    }


def test_a_backup_goes_to_a_folder_of_a_volume() -> None:
    for name in ("backup", "data"):
        pod = pod_of(release(VOLUME), name)
        (container,) = pod["containers"]

        assert {"name": "backups", "mountPath": "/backups"} in container["volumeMounts"]
        assert {"name": "backups", "persistentVolumeClaim": {"claimName": "backups"}} in (
            pod["volumes"]
        )
        assert "envFrom" not in container
    (container,) = pod_of(release(VOLUME), "backup")["containers"]
    assert container["args"][1] == "/backups/releases/taxi"
    (container,) = pod_of(release({"volumeClaim": {"name": "b"}}), "backup")["containers"]
    assert container["args"][1] == "/backups"


def test_what_stays_wrong_is_not_tried_again() -> None:
    found = release(S3)
    job = found["CronJob", "taxi-backup"]["spec"]["jobTemplate"]["spec"]

    drained, wrong = job["podFailurePolicy"]["rules"]
    assert (drained["action"], drained["onPodConditions"][0]["type"]) == (
        "Ignore", "DisruptionTarget",
    )  # fmt: skip
    assert (wrong["action"], wrong["onExitCodes"]["values"]) == ("FailJob", [2, 3])
    assert wrong["onExitCodes"]["containerName"] == "backup"
    assert job["backoffLimit"] == 2


def test_the_tool_waits_for_a_hand_and_is_never_tried_twice() -> None:
    found = release(S3)
    spec = found["CronJob", "taxi-data"]["spec"]
    (container,) = pod_of(found, "data")["containers"]

    assert spec["suspend"] is True
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert container["args"] == ["audit"]
    assert environment(container)["TAXI_MONGODB_URI"] == {
        "secretKeyRef": {"name": "taxi-mongodb-data", "key": "uri"}
    }


def test_the_arguments_are_those_of_the_command() -> None:
    found = release(S3)
    for name in ("backup", "data"):
        (container,) = pod_of(found, name)["containers"]
        assert container["command"][1:] == ["-m", "taxi_report.data.main"]
        words = container["args"]
        command = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
        assert command.make_context(words[0], words[1:]).params


@pytest.mark.parametrize(("after", "seconds"), [("90m", 5400), ("26h", 93_600), ("8d", 691_200)])
def test_how_late_a_backup_may_be_reaches_its_alert(after: str, seconds: int) -> None:
    found = release({**S3, "lateAfter": after})
    rules = found["PrometheusRule", "taxi-alerts"]["spec"]["groups"][0]["rules"]
    (query,) = (one["expr"] for one in rules if one["alert"] == "TaxiBackupLate")

    assert f"> {seconds} or" in query
    assert f"offset {after} unless" in query


DISK = {"alerts": {"TaxiMongodbDiskFilling": {"threshold": 0.71}}}


@pytest.mark.parametrize("replicas", [1, 3])
def test_the_volumes_that_are_watched_are_those_of_mongodb(replicas: int) -> None:
    found = release(S3, metrics={"prometheusRule": DISK}, mongodb={"replicas": replicas})
    rules = found["PrometheusRule", "taxi-alerts"]["spec"]["groups"][0]["rules"]
    (query,) = (one["expr"] for one in rules if one["alert"] == "TaxiMongodbDiskFilling")
    mongodb = found["StatefulSet", "taxi-mongodb"]
    (claim,) = mongodb["spec"]["volumeClaimTemplates"]
    name = f"{claim['metadata']['name']}-{mongodb['metadata']['name']}"

    watched = re.findall('persistentvolumeclaim=~?"([^"]+)"', query)
    assert watched
    for one in watched:
        assert [n for n in range(10) if re.fullmatch(one, f"{name}-{n}")] == [*range(replicas)]
    assert "> 0.71 or" in query
