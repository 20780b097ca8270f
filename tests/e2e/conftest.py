"""The cluster of `make up`, and releases of their own for tests that break things."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.told_stories import ToldStory, kill_the_operator

from taxi_stories.emergency import EMERGENCY
from taxi_stories.flights import FLIGHTS
from taxi_stories.forwards import Forward
from taxi_stories.harmless import HARMLESS
from taxi_stories.kubectl import Kubectl
from taxi_stories.prometheus import Prometheus
from taxi_stories.release import Release
from taxi_stories.scenarios import COLLAPSE, QUIET


@pytest.fixture(scope="session")
def context() -> str:
    """Return the kubectl context; every call names it."""
    return os.environ.get("TAXI_CONTEXT", "kind-taxi")


@pytest.fixture(scope="session")
def values() -> dict[str, Any]:
    """Return the chart values with the image tags."""
    default = Path(__file__).parents[2] / ".build" / "values.json"
    path = Path(os.environ.get("TAXI_VALUES", str(default)))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.fixture(scope="session")
def installed(context: str) -> Release:
    """Return the release that `make up` made; tests leave it as it is."""
    return Release(Kubectl(context, "taxi"), "taxi")


@pytest.fixture(scope="session")
def prometheus(context: str) -> Iterator[Prometheus]:
    """Return the cluster's Prometheus."""
    with Forward(Kubectl(context, "monitoring"), "service/prometheus-operated", 9090) as forward:
        yield Prometheus(forward)


@pytest.fixture(scope="module")
def own_values() -> dict[str, Any]:
    """Return the chart values that a module's release differs in; a module overrides it."""
    return {}


@pytest.fixture(scope="module")
def breakable(
    context: str, values: dict[str, Any], own_values: dict[str, Any]
) -> Iterator[Release]:
    """Return a release that the tests of a module may break; removed afterwards."""
    release = Release(Kubectl(context, "taxi-e2e"), "taxi")
    release.uninstall()  # what a run that was cut off left
    # Every pod of the release, of Jobs and of helm test, too, is held to the restricted standard.
    enforce = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": release.kubectl.namespace, "labels": enforce}
    release.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    try:
        release.install({**values, "metrics": {"serviceMonitor": {"interval": "5s"}}, **own_values})
        yield release
    finally:
        release.uninstall()


_STORY_SECONDS = 3600.0


@pytest.fixture(scope="session")
def told_stories(
    request: pytest.FixtureRequest, context: str, values: dict[str, Any]
) -> Iterator[Mapping[str, ToldStory]]:
    """Tell all stories that any test of the run needs, side by side; removed at the end."""

    def kill(told: threading.Event) -> None:
        kill_the_operator(Kubectl(context, COLLAPSE.place), told, _STORY_SECONDS)

    needed = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    stories = {
        first.name: ToldStory((first, *more), context, values, kill if first is COLLAPSE else None)
        for first, *more in ((QUIET, HARMLESS), (EMERGENCY,), (COLLAPSE,), (FLIGHTS,))
        if f"{first.name}_story" in needed
    }
    try:
        yield stories
    finally:
        for story in stories.values():
            story.remove()


@pytest.fixture(scope="session")
def quiet_story(told_stories: Mapping[str, ToldStory]) -> ToldStory:
    return told_stories[QUIET.name]


@pytest.fixture(scope="session")
def emergency_story(told_stories: Mapping[str, ToldStory]) -> ToldStory:
    return told_stories[EMERGENCY.name]


@pytest.fixture(scope="session")
def collapse_story(told_stories: Mapping[str, ToldStory]) -> ToldStory:
    return told_stories[COLLAPSE.name]


@pytest.fixture(scope="session")
def flights_story(told_stories: Mapping[str, ToldStory]) -> ToldStory:
    return told_stories[FLIGHTS.name]
