"""Values: what is wrong is refused with its name, and umbrella charts work."""

import base64
import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.chart import CHART, VALUE_SETS, helm_binaries, manifests, template

pytestmark = pytest.mark.chart

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"predictor": {"replica": 3}}, "replica"),
    ({"predictors": {}}, "predictors"),
    ({"monitor": {"windowRows": "many"}}, "windowRows"),
    ({"monitor": {"windowRows": 5}}, "windowRows"),
    ({"monitor": {"falseAlarmRows": 10}}, "falseAlarmRows"),
    ({"monitor": {"labelsOverdueHours": 0}}, "labelsOverdueHours"),
    ({"monitor": {"settleSeconds": -1}}, "settleSeconds"),
    ({"monitor": {"knownEvents": [{"name": "storm", "from": "2021-02-01"}]}}, "knownEvents"),
    ({"monitor": {"scores": ["psy"]}}, "scores"),
    ({"metrics": {"prometheusRule": {"psiRanges": ["a day"]}}}, "psiRanges"),
    ({"predictor": {"spool": {"whenFull": "drop"}}}, "whenFull"),
    ({"images": {"predict": {"tag": 7.0}}}, "tag"),
    ({"images": {"predict": {"digest": "abc"}}}, "digest"),
    ({"metrics": {"serviceMonitor": {"enabled": "sometimes"}}}, "enabled"),
    ({"metrics": {"serviceMonitor": {"interval": "5"}}}, "interval"),
    ({"mongodb": {"persistence": {"whenDeleted": "Perhaps"}}}, "whenDeleted"),
    ({"mongodb": {"cacheSizeGB": 0.1}}, "cacheSizeGB"),
    ({"mongodb": {"retention": {"predictions": -1}}}, "predictions"),
    ({"mongodb": {"retention": {"labels": 1.5}}}, "labels"),
    ({"mongodb": {"retention": {"labels": 24856}}}, "labels"),
    ({"firstModel": {"from": "March"}}, "from"),
    ({"operator": {"resources": {"limit": {}}}}, "limit"),
    ({"operator": {"prometheus": {"url": "prometheus:9090"}}}, "url"),
    ({"operator": {"prometheus": {"url": "http://user:password@prometheus"}}}, "url"),
    ({"operator": {"prometheus": {"timeoutSeconds": 31}}}, "timeoutSeconds"),
    ({"operator": {"prometheus": {"tenant": "two words"}}}, "tenant"),
    ({"operator": {"prometheus": {"tenantHeader": "X: y"}}}, "tenantHeader"),
    ({"operator": {"prometheus": {"allowedURLs": ["http://a b"]}}}, "allowedURLs"),
    ({"operator": {"maxConcurrentRuns": 0}}, "maxConcurrentRuns"),
    ({"operator": {"maxConcurrentRuns": 101}}, "maxConcurrentRuns"),
    ({"operator": {"webhook": {"url": "https://user:password@hooks"}}}, "url"),
    ({"operator": {"webhook": {"key": "a key in values"}}}, "key"),
    ({"train": {"env": [{"nam": "A"}]}}, "env"),
    ({"batchReport": {"schedule": "daily"}}, "schedule"),
    ({"batchReport": {"timeZone": "Local"}}, "timeZone"),
    ({"batchReport": {"last": "a day"}}, "last"),
    ({"batchReport": {"output": "pdf"}}, "output"),
    ({"batchReport": {"keep": {"days": -1}}}, "days"),
    ({"batchReport": {"prometheus": {"url": "prometheus:9090"}}}, "url"),
    ({"batchReport": {"url": "monitor.example"}}, "url"),
    ({"batchReport": {"dask": {"address": "dask:8786"}}}, "address"),
    ({"batchReport": {"dask": {"workers": 0}}}, "workers"),
    ({"backup": {"destination": "s3://key:secret@bucket"}}, "destination"),
    ({"backup": {"destination": "/backups"}}, "destination"),
    ({"backup": {"enabled": True}}, "backup.destination: is empty; give a URL, or a claim"),
    ({"backup": {"keep": -1}}, "keep"),
    ({"backup": {"lateAfter": "soon"}}, "lateAfter"),
    ({"backup": {"volumeClaim": {"path": "../other release"}}}, "path"),
    ({"metrics": {"prometheusRule": {"alerts": {"TaxiTargetUp": {}}}}}, "TaxiTargetUp"),
]


def refusal(values: dict[str, Any], binary: str | None = None) -> str:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        template(values, binary=binary)
    return str(caught.value.stderr)


@pytest.mark.parametrize("binary", helm_binaries(), ids=lambda path: Path(path).name)
@pytest.mark.parametrize(("values", "field"), WRONG, ids=lambda value: json.dumps(value)[:60])
def test_a_wrong_value_is_refused_by_name(values: dict[str, Any], field: str, binary: str) -> None:
    assert field in refusal(values, binary)


def test_an_external_mongodb_needs_its_secrets() -> None:
    problem = refusal({"mongodb": {"enabled": False}})

    assert "externalMongodb.existingSecrets." in problem
    assert "names the Secret that has the key uri" in problem


@pytest.mark.parametrize("part", ["predictor", "fallback"])
@pytest.mark.parametrize(
    ("limit", "least"),
    [("1Gi", "2304Mi"), ("2G", "2304Mi"), ("2.2Gi", "2304Mi"), ("2415919103", "2304Mi")],
)
def test_a_spool_that_does_not_fit_its_volume_is_refused(part: str, limit: str, least: str) -> None:
    problem = refusal({part: {"spool": {"maxBytes": 2147483648, "sizeLimit": limit}}})

    assert f"{part}.spool.sizeLimit: {limit} does not hold spool.maxBytes" in problem
    assert f"give at least {least}" in problem


@pytest.mark.parametrize("binary", helm_binaries(), ids=lambda path: Path(path).name)
@pytest.mark.parametrize("limit", ["2304Mi", "2.25Gi", "2415919104", "2359296Ki", "3G", "1Ti"])
def test_a_spool_that_fits_its_volume_is_taken(limit: str, binary: str) -> None:
    values = {"predictor": {"spool": {"maxBytes": 2147483648, "sizeLimit": limit}}}

    assert template(values, binary=binary)


def test_a_name_that_is_too_long_is_refused() -> None:
    assert "fullnameOverride" in refusal({"fullnameOverride": "a" * 41})


def test_the_default_values_and_the_schema_have_the_same_fields() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    assert differences(schema, values, schema["$defs"]) == []


def differences(schema: dict[str, Any], values: Any, definitions: dict[str, Any]) -> list[str]:
    """Return the fields that only one of both knows, below what is closed."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[1]]
    if schema.get("additionalProperties") is not False or not isinstance(values, dict):
        return []
    if not values:  # as Kubernetes', such as a probe
        return []
    known = set(schema["properties"]) - {"enabled"}
    # The last two are gone: who still gives them is told what took their place.
    optional = {"requests", "limits", "disabled", "thresholds"}
    found = [f"only in one: {name}" for name in (known ^ (set(values) - {"enabled"})) - optional]
    for name, value in values.items():
        if name in schema["properties"]:
            below = differences(schema["properties"][name], value, definitions)
            found += [f"{name}.{one}" for one in below]
    return found


def test_an_umbrella_chart_can_hold_it_and_switch_it(tmp_path: Path) -> None:
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "taxi-monitoring").symlink_to(CHART)
    (tmp_path / "Chart.yaml").write_text(
        "apiVersion: v2\nname: umbrella\nversion: 0.0.1\ndependencies:\n"
        "  - {name: taxi-monitoring, version: 0.2.0, condition: taxi-monitoring.enabled}\n"
    )
    values = {
        "global": {"imageRegistry": "registry.example", "ofAnotherChart": 1},
        "taxi-monitoring": {"enabled": True},
    }

    found = manifests(template(values, chart=tmp_path))

    assert "taxi-predictor" in {one["metadata"]["name"] for one in found}


@pytest.mark.parametrize("name", VALUE_SETS)
@pytest.mark.parametrize("binary", helm_binaries(), ids=lambda path: Path(path).name)
def test_every_value_set_passes_the_linter(name: str, binary: str) -> None:
    command = [binary, "lint", str(CHART), "--strict", "--kube-version", "1.34.4"]
    path = VALUE_SETS[name]
    done = subprocess.run(
        [*command, *(["--values", str(path)] if path else [])],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_notes_tell_the_next_commands(tmp_path: Path) -> None:
    # `helm template` leaves the notes out; a client-side dry run needs no cluster with helm 3 only.
    notes = (CHART / "templates" / "NOTES.txt").read_text()

    commands = (
        "helm test", "port-forward", "curl", "kubectl explain driftpolicy.spec",
        "create job --from=cronjob/",
    )  # fmt: skip
    assert [command for command in commands if command not in notes] == []


def notes_of(folder: Path, values: dict[str, Any]) -> str:
    """Return the notes, which `helm template` leaves out, as the text of an object."""
    chart = folder / "chart"
    shutil.copytree(CHART, chart)
    notes = (chart / "templates/NOTES.txt").read_text()
    text = f'{{{{ define "notes" }}}}{notes}{{{{ end }}}}\nkind: Notes\nmetadata: {{name: notes}}\n'
    told = '{{ include "notes" . | toJson }}'
    (chart / "templates/notes.yaml").write_text(f"{text}text: {told}\n")
    found = manifests(template(values, chart=chart))
    return str(next(one["text"] for one in found if one["kind"] == "Notes"))


def test_the_notes_ask_as_a_caller_where_callers_need_a_token(tmp_path: Path) -> None:
    for secret in ("", "shops"):
        (folder := tmp_path / f"of-{secret}").mkdir()
        notes = notes_of(folder, {"predictor": {"existingTokenSecret": secret}})
        asked = [line for line in notes.splitlines() if line.startswith("  curl ")]
        assert len(asked) == 2
        header = '-H "Authorization: Bearer $TOKEN"'
        assert [header in line for line in asked] == [bool(secret)] * 2
        named = (
            "  TOKEN=$(kubectl -n ns get secret shops -o go-template="
            """'{{range .data}}{{base64decode .}}{{"\\n"}}{{end}}' | head -n 1)"""
        )
        assert (named in notes) == bool(secret)


def test_the_packed_chart_is_small() -> None:
    """A release is one Secret of at most 1 MB: it holds the whole chart, and what it rendered."""
    files = [path for path in CHART.rglob("*") if path.is_file()]
    release = {
        "chart": {str(path): base64.b64encode(path.read_bytes()).decode() for path in files},
        "manifest": template(files=[CHART / "ci" / "everything.yaml"]),
    }

    stored = base64.b64encode(gzip.compress(json.dumps(release).encode()))

    assert len(base64.b64encode(stored)) < 400_000
