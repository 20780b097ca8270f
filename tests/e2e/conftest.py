"""The cluster of `make up`, and releases of their own for tests that break things."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taxi_stories.forwards import Forward
from taxi_stories.kubectl import Kubectl
from taxi_stories.prometheus import Prometheus
from taxi_stories.release import Release


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
    try:
        release.install({**values, "metrics": {"serviceMonitor": {"interval": "5s"}}, **own_values})
        yield release
    finally:
        release.uninstall()
