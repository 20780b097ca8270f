"""Renders of the chart by the real helm, once per set of values."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "charts" / "taxi-monitoring"
VALUE_FILES = {path.stem: path for path in sorted(CHART.glob("ci/*.yaml"))}
VALUE_SETS: dict[str, Path | None] = {"default": None, **VALUE_FILES}
KUBERNETES = "1.34.4"
_MONITORING = ("ServiceMonitor", "PrometheusRule")

Manifest = dict[str, Any]


def helm_binaries() -> list[str]:
    """Return helm 4 and helm 3, as far as they are there; at least one is.

    Component tests have them in a folder of their own, and on no path.
    """
    named = (os.environ.get("TAXI_HELM", "helm"), os.environ.get("TAXI_HELM3", "helm3"))
    places = os.pathsep.join(filter(None, map(os.environ.get, ("TAXI_GO_TOOLS", "PATH"))))
    found = [path for name in named if (path := shutil.which(name, path=places))]
    if not found:
        raise RuntimeError(
            "helm: is not installed; run this through `make test-chart` or `make test-component`"
        )
    return found


def helm(*arguments: str, binary: str | None = None, stdin: str = "") -> str:
    """Run helm and return what it printed.

    Raises:
        subprocess.CalledProcessError: it failed; its text is in `stderr`.
    """
    return subprocess.run(
        [binary or helm_binaries()[0], *arguments],
        input=stdin, capture_output=True, text=True, check=True, timeout=240,
    ).stdout  # fmt: skip


def template(  # noqa: PLR0913 - one keyword for each option of helm
    values: Mapping[str, Any] | None = None,
    *,
    chart: Path = CHART,
    files: Sequence[Path] = (),
    monitoring: bool = True,
    binary: str | None = None,
    namespace: str = "ns",
    release: str = "taxi",
) -> str:
    """Return the rendered chart as text; `monitoring`: the cluster knows Prometheus' kinds."""
    command = ["template", release, str(chart), "--namespace", namespace]
    command += ["--kube-version", KUBERNETES]
    if monitoring:
        command += [f"--api-versions=monitoring.coreos.com/v1/{kind}" for kind in _MONITORING]
    for file in files:
        command += ["--values", str(file)]
    return helm(*command, "--values", "-", binary=binary, stdin=json.dumps(values or {}))


def manifests(text: str) -> list[Manifest]:
    """Return the objects of a render."""
    return [one for one in yaml.safe_load_all(text) if one]


@cache
def rendered(name: str) -> tuple[Manifest, ...]:
    """Return the objects of a value set of `ci/`, or of the defaults."""
    path = VALUE_SETS[name]
    return tuple(manifests(template(files=[path] if path else [])))


def objects(name: str, kind: str) -> dict[str, Manifest]:
    """Return the objects of one kind by name."""
    return {one["metadata"]["name"]: one for one in rendered(name) if one["kind"] == kind}


def pods(found: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield name and spec of every pod that the objects lead to."""
    for one in found:
        name = f"{one['kind']}/{one['metadata']['name']}"
        if one["kind"] == "Pod":
            yield name, one["spec"]
        elif one["kind"] == "CronJob":
            yield name, one["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        elif one["kind"] in {"Deployment", "StatefulSet", "DaemonSet", "Job"}:
            yield name, one["spec"]["template"]["spec"]


def environment(container: Manifest) -> dict[str, Any]:
    """Return the environment variables of a container by name."""
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


def wanted_secrets(found: Sequence[Manifest]) -> list[dict[str, Any]]:
    """Return the Secrets that a Job of the release makes; empty when all are given."""
    jobs = [one for one in found if one["kind"] == "Job" and "-secrets-" in one["metadata"]["name"]]
    if not jobs:
        return []
    (container,) = jobs[0]["spec"]["template"]["spec"]["containers"]
    wanted: list[dict[str, Any]] = json.loads(container["args"][-1])
    return wanted
