"""How long rides and labels stay: from the values to whoever makes the indexes."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.chart import VALUE_FILES, manifests, objects, pods, template

from taxi_store.admin.bootstrap_indexes import main
from taxi_store.admin.retention import MAX_DAYS, Retention

pytestmark = pytest.mark.chart

EXTERNAL = VALUE_FILES["external-mongodb"]
DAYS: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({}, ("90", "90")),
    ({"predictions": 30, "labels": None}, ("30", "0")),
    ({"predictions": 0, "labels": 365}, ("0", "365")),
]


@pytest.mark.parametrize(("retention", "days"), DAYS)
def test_the_retention_reaches_the_container_beside_mongod(
    retention: dict[str, Any], days: tuple[str, str]
) -> None:
    found = manifests(template({"mongodb": {"retention": retention}}))

    config = next(one for one in found if one["metadata"]["name"] == "taxi-mongodb-retention")
    assert config["data"] == {"predictions-days": days[0], "labels-days": days[1]}
    spec = dict(pods(found))["StatefulSet/taxi-mongodb"]
    users = next(one for one in spec["containers"] if one["name"] == "users")
    (volume,) = (one for one in spec["volumes"] if "configMap" in one)
    assert volume["configMap"]["name"] == "taxi-mongodb-retention"
    (mount,) = (one for one in users["volumeMounts"] if one["name"] == volume["name"])
    assert f"--retention={mount['mountPath']}" in users["args"]


def test_a_changed_retention_does_not_restart_mongod() -> None:
    files = [VALUE_FILES["existing-secrets"]]
    changed = {"mongodb": {"retention": {"predictions": 30}}}

    before, after = (
        next(
            one for one in manifests(template(values, files=files)) if one["kind"] == "StatefulSet"
        )
        for values in ({}, changed)
    )

    assert json.dumps(before) == json.dumps(after)


@pytest.mark.parametrize(("retention", "days"), DAYS)
def test_the_retention_reaches_an_external_mongodb(
    retention: dict[str, Any],
    days: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    values = {"mongodb": {"retention": retention}, "firstModel": {"enabled": False}}
    found = manifests(template(values, files=[EXTERNAL]))

    (job,) = (one for one in found if "-indexes-" in one["metadata"]["name"])
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    address, *given = container["args"]
    assert given == [f"--predictions-days={days[0]}", f"--labels-days={days[1]}"]
    assert container["command"][-1] == "taxi_store.admin.bootstrap_indexes"
    assert address == f"--uri-file={container['volumeMounts'][0]['mountPath']}/uri"
    assert spec["volumes"][0]["secret"]["secretName"] == "db-train"
    # The program takes them: it looks for the address next.
    assert main([f"--uri-file={tmp_path / 'uri'}", *given]) == 2
    assert f"{tmp_path / 'uri'}: cannot be read" in capsys.readouterr().out


def test_a_changed_retention_makes_another_job_of_an_external_mongodb() -> None:
    names = {
        one["metadata"]["name"]
        for days in (90, 30)
        for one in manifests(
            template({"mongodb": {"retention": {"labels": days}}}, files=[EXTERNAL])
        )
        if "-indexes-" in one["metadata"]["name"]
    }

    assert len(names) == 2
    assert not [name for name in objects("default", "Job") if "-indexes-" in name]


def test_the_schema_and_the_code_have_the_same_bound() -> None:
    assert Retention(MAX_DAYS, 0).predictions_days == MAX_DAYS == 24855
