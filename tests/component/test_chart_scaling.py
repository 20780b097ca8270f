"""Who decides how many pods there are, through upgrades by both Helms."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.administrator import Cluster
from support.chart import CHART
from support.control_plane import ControlPlane

HELMS = ("helm", "helm3")
#: A person decides about the one, an autoscaler about the other.
LEFT_TO_OTHERS = {
    "predictor": {"replicas": None}, "fallback": {"autoscaling": {"enabled": True}},
}  # fmt: skip
NUMBERED = {"predictor": {"replicas": 2}, "fallback": {"replicas": 3}}


class Scaled:
    """A release, and who changes how many pods it has."""

    def __init__(self, plane: ControlPlane, folder: Path, helm: str, namespace: str) -> None:
        self._plane = plane
        self._values = folder / "values.json"
        self._helm = helm
        self._cluster = Cluster(plane, folder, namespace)
        self._upgrades = 0

    def install(self, values: dict[str, Any]) -> None:
        """Install it."""
        self._run("install", values)

    def upgrade(self, values: dict[str, Any], *options: str) -> None:
        """Upgrade it with other pods."""
        self._upgrades += 1
        self._run("upgrade", values, f"--set=pods.podAnnotations.note=n{self._upgrades}", *options)
        for part in ("predictor", "fallback"):
            pods = self._spec(part)["template"]
            assert pods["metadata"]["annotations"]["note"] == f"n{self._upgrades}"

    def by_hand(self, part: str, replicas: int) -> None:
        """Scale a part as a person does."""
        self._cluster.run("kubectl", "scale", f"deployment/taxi-{part}", f"--replicas={replicas}")

    def by_autoscaler(self, part: str, replicas: int) -> None:
        """Scale a part as the controller of HorizontalPodAutoscalers does: by the subresource."""
        change = {"spec": {"replicas": replicas}}
        namespace = self._cluster.namespace
        self._plane.api.patch("Deployment", namespace, f"taxi-{part}", change, "/scale")

    def pods(self) -> tuple[int, int]:
        """Return how many pods predictor and fallback are to have."""
        return self._spec("predictor")["replicas"], self._spec("fallback")["replicas"]

    def _run(self, verb: str, values: dict[str, Any], *options: str) -> None:
        # The CRD is of another release, as far as this API server is concerned.
        self._values.write_text(json.dumps({**values, "crds": {"install": False}}))
        chart = (str(CHART), "--values", str(self._values))
        self._cluster.run(self._helm, verb, "taxi", *chart, *options)

    def _spec(self, part: str) -> dict[str, Any]:
        found = self._plane.api.get("Deployment", self._cluster.namespace, f"taxi-{part}")
        assert found is not None
        spec: dict[str, Any] = found["spec"]
        return spec


@pytest.mark.parametrize("helm", HELMS)
def test_an_upgrade_leaves_how_many_pods_there_are_to_others(
    control_plane: ControlPlane, tmp_path: Path, helm: str
) -> None:
    release = Scaled(control_plane, tmp_path, helm, f"left-to-others-{helm}")
    release.install(LEFT_TO_OTHERS)
    release.by_hand("predictor", 5)
    release.by_autoscaler("fallback", 4)

    release.upgrade(LEFT_TO_OTHERS)
    assert release.pods() == (5, 4)

    release.by_hand("predictor", 3)
    release.by_autoscaler("fallback", 6)
    release.upgrade(LEFT_TO_OTHERS)
    assert release.pods() == (3, 6)


@pytest.mark.parametrize("helm", HELMS)
def test_a_number_in_the_values_decides_and_takes_pods_along_when_it_goes(
    control_plane: ControlPlane, tmp_path: Path, helm: str
) -> None:
    """As docs/chart.md says: Helm 4 asks first, Helm 3 does not."""
    release = Scaled(control_plane, tmp_path, helm, f"numbered-{helm}")
    release.install(NUMBERED)
    release.by_hand("predictor", 5)

    forced = []
    if helm == "helm":
        with pytest.raises(AssertionError, match=r'conflict with "kubectl".*\.spec\.replicas'):
            release.upgrade(NUMBERED)
        assert release.pods() == (5, 3)
        forced = ["--force-conflicts"]
    release.upgrade(NUMBERED, *forced)
    assert release.pods() == (2, 3)

    release.by_hand("predictor", 5)
    release.upgrade(LEFT_TO_OTHERS)
    # A field that nobody else wrote goes with the chart's; Kubernetes' default is one pod.
    assert release.pods() == (5 if helm == "helm" else 1, 1)
