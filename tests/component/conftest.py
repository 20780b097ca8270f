"""What several component tests share: one control plane and one Prometheus for all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.control_plane import ControlPlane, running_control_plane
from support.policy_namespace import PolicyNamespace, serve_resource
from support.prometheus import Exporter, running_prometheus

from taxi_local.mongod import Mongod

#: Long files whose names are the last ones: begun at the end, one process would work alone.
_FIRST = ("test_try", "test_train_runs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that would hold up the end."""
    items.sort(key=lambda one: one.path.stem not in _FIRST)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Return a control plane that knows the chart's resource."""
    with running_control_plane(tmp_path_factory.mktemp("control-plane")) as plane:
        serve_resource(plane)
        yield plane


@pytest.fixture(scope="session")
def exporter() -> Iterator[Exporter]:
    """Return what Prometheus scrapes."""
    one = Exporter()
    yield one
    one.close()


@pytest.fixture(scope="session")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory, exporter: Exporter) -> Iterator[str]:
    """Return a Prometheus that all tests share and none breaks."""
    with running_prometheus(tmp_path_factory.mktemp("prometheus"), exporter) as server:
        yield server.url


@pytest.fixture
def world(
    tmp_path: Path,
    control_plane: ControlPlane,
    prometheus_url: str,
    exporter: Exporter,
    shared_mongod: Mongod,
) -> Iterator[PolicyNamespace]:
    """Return a new namespace with all that a policy needs; no operator runs yet."""
    one = PolicyNamespace(tmp_path, control_plane, prometheus_url, exporter, shared_mongod)
    try:
        one.build()
        yield one
    finally:
        one.close()
