"""Upgrades from releases that were cut: nothing changes that Kubernetes refuses to change."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.chart import CHART, Manifest, helm_binaries, manifests, template

pytestmark = pytest.mark.chart

#: Charts as they were cut: the tag's folder, packed without times and owners.
RELEASES = sorted((Path(__file__).parent / "releases").glob("*.tgz"))
VALUES: dict[str, dict[str, Any]] = {
    "default": {},
    "all": {
        "batchReport": {"enabled": True, "dask": {"enabled": True}},
        "backup": {"enabled": True, "destination": "s3://bucket/taxi"},
        "dataTool": {"enabled": True},
        "fallback": {"replicas": 2},
    },
    "external": {
        "mongodb": {"enabled": False},
        "externalMongodb": {
            "existingSecrets": dict.fromkeys(("predictor", "monitor", "train", "operator"), "db")
        },
    },
}
#: What only a new object may have another value of.
IMMUTABLE = {
    "Deployment": (("spec", "selector"),),
    "StatefulSet": tuple(
        ("spec", one)
        for one in ("selector", "serviceName", "volumeClaimTemplates", "podManagementPolicy")
    ),
    "Service": (("spec", "clusterIP"), ("spec", "selector")),
    "Job": (("spec", "template"), ("spec", "selector")),
    "RoleBinding": (("roleRef",),),
    "Secret": (("type",),),
}
#: Made in the cluster since: nobody removes them.
LEAVES = {"Secret"}
#: A new version of the images is a new Job.
NAMED_BY_CONTENT = {"Job"}

Found = dict[tuple[str, str], Manifest]


@cache
def render(chart: Path, values: str, binary: str) -> Found:
    text = template(VALUES[values], chart=chart, binary=binary)
    return {(one["kind"], one["metadata"]["name"]): one for one in manifests(text)}


def part(manifest: Manifest, path: tuple[str, ...]) -> Any:
    found: Any = manifest
    for key in path:
        found = (found or {}).get(key)
    return found


every_release = pytest.mark.parametrize("chart", RELEASES, ids=lambda path: path.stem)
every_values = pytest.mark.parametrize("values", VALUES)
every_helm = pytest.mark.parametrize("binary", helm_binaries(), ids=lambda path: Path(path).name)


@every_release
@every_values
@every_helm
def test_nothing_that_cannot_be_changed_is_changed(chart: Path, values: str, binary: str) -> None:
    before, after = (render(one, values, binary) for one in (chart, CHART))

    assert len(set(before) & set(after)) > 15
    for key in set(before) & set(after):
        for path in IMMUTABLE.get(key[0], ()):
            assert part(before[key], path) == part(after[key], path), (key, path)


@every_release
@every_values
def test_no_object_loses_its_name(chart: Path, values: str) -> None:
    before, after = (render(one, values, helm_binaries()[0]) for one in (chart, CHART))

    lost = {key for key in set(before) - set(after) if key[0] not in LEAVES | NAMED_BY_CONTENT}
    assert lost == set()


@every_release
def test_pods_of_before_are_still_selected(chart: Path) -> None:
    before, after = (render(one, "all", helm_binaries()[0]) for one in (chart, CHART))
    for key, one in after.items():
        if key[0] in {"Service", "PodDisruptionBudget"} and key in before:
            selector = part(one, ("spec", "selector"))
            assert selector == part(before[key], ("spec", "selector")), key


def test_the_version_is_above_those_that_were_cut() -> None:
    def numbers(text: str) -> list[int]:
        return [int(one) for one in text.split(".")]

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    cut = [path.stem.rsplit("-", 1)[1] for path in RELEASES]

    assert cut
    assert chart["version"] == chart["appVersion"]
    assert all(numbers(chart["version"]) > numbers(one) for one in cut)


@pytest.mark.parametrize(
    "project",
    sorted(
        path.relative_to(CHART.parents[1]).as_posix()
        for pattern in ("libs/*", "services/*", "jobs/*", "operator", ".")
        for path in CHART.parents[1].glob(f"{pattern}/pyproject.toml")
    ),
)
def test_distributions_have_the_version_of_the_chart(project: str) -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    text = (CHART.parents[1] / project).read_text()

    assert tomllib.loads(text)["project"]["version"] == chart["version"]
