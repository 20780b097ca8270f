"""What the chart's notes say of a real API server that knows Prometheus, which they look at."""

import json
import shlex
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.administrator import Cluster
from support.chart import CHART
from support.control_plane import ControlPlane, Manifest, running_control_plane
from support.operator_process import eventually

GROUP = "monitoring.coreos.com"
KINDS = {
    "Prometheus": "prometheuses", "ServiceMonitor": "servicemonitors",
    "PrometheusRule": "prometheusrules",
}  # fmt: skip
UNSEEN = "no Prometheus of this cluster selects this release's"
#: As kube-prometheus-stack has them: every namespace is looked at.
EVERYWHERE: dict[str, Any] = {"serviceMonitorNamespaceSelector": {}, "ruleNamespaceSelector": {}}
FITS = {"matchLabels": {"release": "kube-prometheus-stack"}}
OTHER = {"matchLabels": {"release": "other"}}


def selecting(selector: dict[str, Any]) -> dict[str, Any]:
    """Return what a Prometheus says that selects both kinds alike, in every namespace."""
    return {"serviceMonitorSelector": selector, "ruleSelector": selector, **EVERYWHERE}


def resource(kind: str, plural: str) -> Manifest:
    """Return a resource whose objects may have any fields."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
    }  # fmt: skip
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP, "scope": "Namespaced", "versions": [version],
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Return a control plane of its own: what others find out of theirs has to stay as it is."""
    with running_control_plane(tmp_path_factory.mktemp("watched")) as plane:
        for kind, plural in KINDS.items():
            plane.api.apply(resource(kind, plural))
        cluster = Cluster(plane, tmp_path_factory.mktemp("waiting"), "monitoring")
        eventually("clients are told of the resources", lambda: are_told(cluster))
        yield plane


def are_told(cluster: Cluster) -> bool:
    """Tell whether a client that asks what there is is told of all of Prometheus' resources."""
    try:
        found = cluster.run("kubectl", "api-resources", f"--api-group={GROUP}", "-o", "name")
    except AssertionError:  # a list that is not whole yet
        return False
    return set(found.split()) == {f"{plural}.{GROUP}" for plural in KINDS.values()}


class Installer:
    """An administrator who installs the chart beside some Prometheus, and reads what he is told."""

    def __init__(self, plane: ControlPlane, folder: Path, helm: str = "helm") -> None:
        self._monitoring = Cluster(plane, folder, "monitoring")
        self._values = folder / "values.json"
        self._helm = helm
        self.cluster = Cluster(plane, folder, f"notes-{uuid.uuid4().hex[:6]}")

    def beside(self, *specs: dict[str, Any]) -> None:
        """Let the cluster have these Prometheus objects and no others."""
        self._monitoring.run("kubectl", "delete", "prometheuses", "--all")
        items = [
            {"apiVersion": f"{GROUP}/v1", "kind": "Prometheus",
             "metadata": {"name": f"number-{number}"}, "spec": spec}
            for number, spec in enumerate(specs)
        ]  # fmt: skip
        for item in items:
            self._monitoring.run("kubectl", "apply", "-f", "-", stdin=json.dumps(item))

    def told(self, values: dict[str, Any], verb: str = "install", *options: str) -> str:
        """Install or upgrade, and return the notes."""
        self._values.write_text(json.dumps(values))
        chart = ("taxi", str(CHART), "--values", str(self._values))
        # The CRD is of the Helm that came first.
        text = self.cluster.run(self._helm, verb, *chart, "--take-ownership", *options)
        return text.split("NOTES:\n")[1]

    def would_be_told(self, values: dict[str, Any]) -> str:
        """Return the notes of an installation that is not made."""
        return self.told(values, "install", "--dry-run=server")


def warnings_of(notes: str) -> list[str]:
    """Return the warnings."""
    return [line for line in notes.splitlines() if line.startswith("WARNING")]


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_the_options_of_the_warning_make_prometheus_select_the_release(
    watched: ControlPlane, tmp_path: Path, helm: str
) -> None:
    installer = Installer(watched, tmp_path, helm)
    monitors, rules = {"release": "stack", "example.com/team.name": "ml"}, {"rules": "1e3"}
    installer.beside(
        {"serviceMonitorSelector": {"matchLabels": monitors},
         "ruleSelector": {"matchLabels": rules}, **EVERYWHERE},
    )  # fmt: skip

    drift, alerts = sorted(warnings_of(installer.told({})), reverse=True)
    assert drift.startswith(f"WARNING: {UNSEEN} ServiceMonitors: drift has no signals.")
    assert alerts.startswith(f"WARNING: {UNSEEN} PrometheusRule: no alert fires.")

    # As a shell takes them.
    options = [
        word for line in (drift, alerts) for word in shlex.split(line.split("Upgrade with ")[1])
    ]
    assert warnings_of(installer.told({}, "upgrade", *options)) == []
    for kind, labels, wanted in (("servicemonitors", monitors, 4), ("prometheusrules", rules, 1)):
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        found = installer.cluster.run("kubectl", "get", kind, "-l", selector, "-o", "name")
        assert len(found.split()) == wanted


@pytest.mark.parametrize(
    ("specs", "values"),
    [
        # An empty selector selects everything.
        ([selecting({})], {}),
        # One of several is enough.
        ([selecting(OTHER), selecting(FITS)], {}),
        # Labels that objects have anyway count, too.
        ([selecting({"matchLabels": {"team": "ml"}})], {"commonLabels": {"team": "ml"}}),
        # What cannot be judged is no reason to warn.
        ([selecting({"matchExpressions": [{"key": "a", "operator": "Exists"}]})], {}),
        # Who leaves the CRD to others may have no right to look.
        ([selecting(OTHER)], {"crds": {"install": False}}),
        ([], {}),
    ],
    ids=["empty", "one-of-two", "common-labels", "expressions", "no-look", "none"],
)
def test_who_is_selected_is_not_warned(
    watched: ControlPlane, tmp_path: Path, specs: list[dict[str, Any]], values: dict[str, Any]
) -> None:
    installer = Installer(watched, tmp_path)
    installer.beside(*specs)

    assert warnings_of(installer.would_be_told(values)) == []


def test_a_prometheus_that_looks_for_nothing_is_named(
    watched: ControlPlane, tmp_path: Path
) -> None:
    installer = Installer(watched, tmp_path)
    installer.beside(EVERYWHERE)

    found = "\n".join(warnings_of(installer.would_be_told({})))

    assert f"{UNSEEN} ServiceMonitors: drift has no signals. Give it a serviceMonitorSelec" in found
    assert f"{UNSEEN} PrometheusRule: no alert fires. Give it a ruleSelector." in found


def test_a_prometheus_that_looks_in_its_own_namespace_alone_is_named(
    watched: ControlPlane, tmp_path: Path
) -> None:
    """So Prometheus' operator takes a namespace selector that is not there."""
    installer = Installer(watched, tmp_path)
    spec = selecting(FITS)
    del spec["serviceMonitorNamespaceSelector"]
    installer.beside(spec)

    (found,) = warnings_of(installer.would_be_told({}))

    assert f"{UNSEEN} ServiceMonitors" in found
    assert "Give monitoring/number-0 a serviceMonitorNamespaceSelector" in found


def test_gitops_is_told_what_it_has_to_say(watched: ControlPlane, tmp_path: Path) -> None:
    """Where the cluster is asked what to render, a render without it would leave that out."""
    installer = Installer(watched, tmp_path)
    installer.beside()
    both = ("serviceMonitor", "prometheusRule")

    for said, asked in (((), both), (both[:1], both[1:]), (both, ())):
        values = {"metrics": {one: {"enabled": True} for one in said}}
        assert ("Under GitOps" in installer.would_be_told(values)) == bool(asked)


def test_metrics_that_nobody_reads_are_told(watched: ControlPlane, tmp_path: Path) -> None:
    installer = Installer(watched, tmp_path)
    installer.beside(selecting(OTHER))
    off = {"enabled": False}

    found = warnings_of(
        installer.would_be_told({"metrics": {"serviceMonitor": off, "prometheusRule": off}})
    )

    assert found == [
        "WARNING: no ServiceMonitors were made. Without metrics a DriftPolicy has no signals."
    ]
