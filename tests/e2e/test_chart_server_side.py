"""The real API server judges every set of values: schema, names, pod security."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator

import pytest
from support.chart import VALUE_SETS, manifests, template

pytestmark = pytest.mark.e2e


def kubectl(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    context = os.environ.get("TAXI_CONTEXT", "kind-taxi")
    return subprocess.run(
        ["kubectl", "--context", context, *arguments],
        input=stdin, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """Make a namespace that enforces the restricted standard, removed afterwards."""
    name = f"chart-dry-run-{uuid.uuid4().hex[:6]}"
    assert kubectl("create", "namespace", name).returncode == 0
    try:
        labels = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn")]
        assert kubectl("label", "namespace", name, *labels).returncode == 0
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("name", VALUE_SETS)
def test_the_api_server_accepts_the_chart(name: str, namespace: str) -> None:
    path = VALUE_SETS[name]
    rendered = manifests(template(files=[path] if path else [], namespace=namespace))
    # A pod of its own is refused where its account is not there; a dry run makes none.
    for account in {one["spec"]["serviceAccountName"] for one in rendered if one["kind"] == "Pod"}:
        kubectl("create", "serviceaccount", "-n", namespace, account)
    # The cluster knows no routes.
    text = "\n---\n".join(json.dumps(one) for one in rendered if one["kind"] != "HTTPRoute")

    done = kubectl("apply", "--dry-run=server", "-n", namespace, "-f", "-", stdin=text)

    assert done.returncode == 0, done.stderr
    # The restricted standard refuses pods, and warns about what would make refused ones.
    assert "PodSecurity" not in done.stderr
    assert "unknown field" not in done.stderr
