"""Every value of the chart does something: another one gives another render."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.chart import CHART, template
from support.other_values import Keys, OtherValues, at, leaves, merged, nested

pytestmark = pytest.mark.chart

SERVICE = {"service": {"type": "LoadBalancer"}}
ROUTES = {
    "ingress": {"enabled": True, "hosts": [{"host": "a.example"}]},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]},
}
ON = {"enabled": True}
#: Releases in which values are changed, the cheapest first: none has all parts of all kinds.
RELEASES: tuple[dict[str, Any], ...] = (
    {},
    {
        "active": {**SERVICE, **ROUTES},
        "predictor": {**SERVICE, "autoscaling": ON, "existingTokenSecret": "callers"},
        "fallback": {**SERVICE, "autoscaling": ON},
        "monitor": {**SERVICE, **ROUTES},
        "operator": {
            **SERVICE,
            "admissionPolicy": ON,
            "prometheus": {"tenant": "ml", "existingSecret": "prometheus"},
            "webhook": {"url": "https://hooks.example", "existingSecret": "hooks"},
        },
        "batchReport": {
            **ON,
            "prometheus": {"url": "http://prometheus:9090"},
            "prefect": {"existingSecret": "prefect"},
            "dask": {**ON, "scheduler": SERVICE},
        },
        "backup": {**ON, "volumeClaim": {"name": "backups", "path": "taxi"}},
        "dataTool": ON,
        "model": {"schema": "id = 'parcel'"},
        "firstModel": {"volumeClaim": {"name": "rows", "path": "rows.parquet"}},
        "mongodb": {"replicas": 3, "tls": {"existingSecret": "tls"}},
        "networkPolicy": ON,
        "metrics": {"serviceMonitor": {"interval": "1h"}},
        "tracing": {**ON, "endpoint": "http://collector:4318"},
    },
    {
        "mongodb": {"enabled": False},
        "externalMongodb": {
            "existingSecrets": dict.fromkeys(
                ("predictor", "monitor", "train", "operator", "report", "backup", "data"), "own"
            )
        },
        "batchReport": {**ON, "dask": {"address": "tcp://dask:8786"}},
        "operator": {"serviceAccount": {"name": "own"}},
        "backup": {**ON, "destination": "s3://backups/taxi"},
        "dataTool": ON,
        "model": {"schema": "id = 'parcel'"},
        "firstModel": {"dataURL": "http://rows.example"},
        "networkPolicy": ON,
        "tests": {"serviceAccount": {"create": False}},
    },
)

#: What the schema leaves open and the templates ask more of.
GIVEN: dict[Keys, Any] = {
    ("extraObjects",): [[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}}]],
}
#: Other values of these are refused beside other values of their block: they are changed alone.
ALONE: set[Keys] = {
    ("metrics", "serviceMonitor", "scrapeTimeout"),
    ("batchReport", "dask", "address"),
    *(("firstModel", name) for name in ("example", "dataURL")),
    *(("firstModel", "volumeClaim", name) for name in ("name", "path")),
}
#: All parts have the keys of `pods`; a Job has no revisions.
WITHOUT_EFFECT = {f"{part}.revisionHistoryLimit" for part in ("train", "backup", "dataTool")}


@cache
def plain(chart: Path, number: int) -> str:
    return template(RELEASES[number], chart=chart)


def rendered(chart: Path, number: int, values: dict[str, Any]) -> str | None:
    """Return a release with other values, None where the chart refuses them."""
    try:
        return template(merged(RELEASES[number], values), chart=chart)
    except subprocess.CalledProcessError:
        return None


def shown(chart: Path, release: int, paths: Sequence[Keys]) -> set[Keys]:
    """Return the paths whose values stand in a render in which all of them are marked."""
    made = OtherValues(json.loads((chart / "values.schema.json").read_text()))
    marks: dict[Keys, str] = {}
    values: dict[str, Any] = {}
    for number, path in enumerate(paths, 10_400):  # long enough to stand in no hash
        if found := made.marked(path, number):
            value, marks[path] = found
            values = merged(values, nested(path, value))
    if not marks:
        return set()
    before, after = plain(chart, release), rendered(chart, release, values)
    if after is None:  # two that exclude each other, or one that this release has no place for
        some = list(marks)
        half = len(some) // 2
        parts = (some[:half], some[half:]) if half else ()
        return set().union(*(shown(chart, release, part) for part in parts))
    return {path for path, mark in marks.items() if mark in after and mark not in before}


def unused(chart: Path, paths: Sequence[Keys]) -> list[str]:
    """Return the paths of which no other value gives another render, in no release."""
    left = list(paths)
    for release in range(len(RELEASES)):
        used = shown(chart, release, [path for path in left if path not in ALONE])
        left = [path for path in left if path not in used]
    # Switches, words to choose from, and what another value hides: one at a time.
    made = OtherValues(json.loads((chart / "values.schema.json").read_text()))
    defaults = yaml.safe_load((chart / "values.yaml").read_text())

    def changes(path: Keys) -> bool:
        for release, values in enumerate(RELEASES):
            whole = merged(defaults, values)
            if at(whole, (path[0], "enabled")) is False and path[1:] != ("enabled",):
                continue  # nothing of the block is there
            now = at(whole, path)
            for other in GIVEN.get(path) or made.others(path, now):
                found = rendered(chart, release, nested(path, other))
                if found not in {None, plain(chart, release)}:
                    return True
        return False

    return [".".join(path) for path in left if not changes(path)]


VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


@pytest.mark.parametrize("block", VALUES)
def test_every_value_is_used(block: str) -> None:
    paths = [path for path in leaves(VALUES) if path[0] == block]
    known = {one for one in WITHOUT_EFFECT if one.startswith(f"{block}.")}

    assert set(unused(CHART, paths)) == known


#: Of the kinds that a search for words takes for used: a switch, a block, a number.
MADE_UP: dict[str, Any] = {
    "monitor": {"bogus": {"enabled": True}},
    "tests": {"resources": {"requests": {"cpu": "10m"}}},
    "operator": {"replicas": 1},
}


def test_a_value_that_no_template_takes_is_found(tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    schema = json.loads((chart / "values.schema.json").read_text())
    made_up = list(leaves(MADE_UP))
    for block, values in MADE_UP.items():
        for name, value in values.items():
            kind = {"type": "integer"} if isinstance(value, int) else opened(value)
            schema["properties"][block]["properties"][name] = kind
    (chart / "values.schema.json").write_text(json.dumps(schema))
    (chart / "values.yaml").write_text(yaml.safe_dump(merged(VALUES, MADE_UP)))

    used = [("monitor", "windowRows"), ("tests", "enabled")]
    assert unused(chart, [*made_up, *used]) == [".".join(path) for path in made_up]


def opened(values: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a block, a leaf's by its type."""
    kinds = {bool: "boolean", str: "string"}
    below = {
        name: opened(value) if isinstance(value, dict) else {"type": kinds[type(value)]}
        for name, value in values.items()
    }
    return {"type": "object", "properties": below}
