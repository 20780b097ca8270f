"""The chart on a real API server: Secrets made in the cluster, the way from the last release."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import HTTPError

import pytest
from support.administrator import Cluster
from support.chart import CHART, manifests, template, wanted_secrets
from support.control_plane import OPERATOR, ControlPlane, program
from support.waiting import wait_for

LAST = Path(__file__).parents[1] / "chart" / "releases" / "taxi-monitoring-0.1.0.tgz"
#: Of another release, as far as this API server is concerned.
VALUES: dict[str, Any] = {"crds": {"install": False}}


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_the_last_release_can_be_upgraded_and_come_back(
    control_plane: ControlPlane, tmp_path: Path, helm: str
) -> None:
    cluster = Cluster(control_plane, tmp_path, f"upgrade-{helm}")
    values = tmp_path / "values.json"
    values.write_text(json.dumps(VALUES))
    cluster.run(helm, "install", "taxi", str(LAST), "--values", str(values))
    before = cluster.secrets()
    assert len(before) == 6

    for step in (
        ("upgrade", "taxi", str(CHART), "--values", str(values)),
        ("rollback", "taxi", "1"),
        ("upgrade", "taxi", str(CHART), "--reset-then-reuse-values"),
        ("uninstall", "taxi"),
    ):
        told = cluster.run(helm, *step)
        if step[0] == "upgrade":
            assert "Passwords and tokens are made by Job taxi-secrets" in told
        assert cluster.secrets() == before, step[0]


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_a_cluster_that_knows_no_prometheus_takes_the_chart(
    control_plane: ControlPlane, tmp_path: Path, helm: str
) -> None:
    cluster = Cluster(control_plane, tmp_path, f"bare-{helm}")

    # The server has the CRD of the other tests.
    install = ("install", "taxi", str(CHART), "--dry-run=server", "--take-ownership")
    told = cluster.run(helm, *install)
    assert "kind: ServiceMonitor" not in told
    assert "no ServiceMonitors were made: this cluster has no Prometheus operator." in told


@pytest.fixture(scope="module")
def make_secrets() -> ModuleType:
    """Return the program of the Job."""
    spec = importlib.util.spec_from_file_location("make_secrets", CHART / "files/make_secrets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def may_read(call: Callable[[str, str, None], Any]) -> bool:
    """Tell whether the API server knows rights that were just given; the Job asks again, too."""
    try:
        call("GET", "/taxi-mongodb-root", None)
    except HTTPError as error:
        if error.code != 403:
            raise
        return False
    return True


def test_applied_renders_make_secrets_once(
    control_plane: ControlPlane, tmp_path: Path, make_secrets: ModuleType
) -> None:
    cluster = Cluster(control_plane, tmp_path, "applied")
    url = control_plane.api_server.url
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text(OPERATOR)
    certificate = next(Path(control_plane.folder).glob("certificates/apiserver.crt"))
    (account / "ca.crt").write_text(certificate.read_text())
    host, port = url.removeprefix("https://").rsplit(":", 1)
    call = make_secrets.api(host, port, cluster.namespace, account)
    found = []
    for values in ({}, {"predictor": {"podAnnotations": {"a": "b"}}}):
        text = template(
            {**VALUES, **values}, namespace=cluster.namespace, monitoring=False,
            binary=program("helm"),
        )  # fmt: skip
        cluster.run("kubectl", "apply", "-f", "-", stdin=text)
        # The Job's rights, for the user that this test is.
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "taxi-secrets"}
        control_plane.api.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": "test"}, "roleRef": role,
                "subjects": [{"kind": "User", "name": OPERATOR}],
            },
            cluster.namespace,
        )  # fmt: skip
        wait_for("the rights", lambda: may_read(call))
        for wanted in wanted_secrets(manifests(text)):
            make_secrets.ensure(call, wanted)
        found.append(cluster.secrets())

    assert found[0] == found[1]
    assert set(found[0]) == {
        *(f"taxi-mongodb-{one}" for one in ("root", "predictor", "monitor", "train", "operator")),
        "taxi-monitor-token",
    }
    root = found[0]["taxi-mongodb-root"]
    assert root["uri"] == (
        f"mongodb://root:{root['password']}@taxi-mongodb:27017/taxi?authSource=admin"
    )
    assert len({one["password"] for one in found[0].values() if "password" in one}) == 5
    tokens = found[0]["taxi-monitor-token"]
    assert len(set(tokens.values())) == 3
    assert min(map(len, tokens.values())) >= 24
    # It cannot read what is not the release's.
    with pytest.raises(OSError, match="403"):
        call("GET", "/of-another", None)
