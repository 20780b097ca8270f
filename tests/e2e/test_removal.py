"""The documented removal ends in every order, with the fallback serving."""

from typing import Any

import pytest
from support.cluster_policies import ALWAYS, falling_back, traffic_of
from support.waiting import wait_for

from taxi_domain.kube import PLURAL
from taxi_stories.kubectl import Kubectl
from taxi_stories.release import Release

pytestmark = pytest.mark.e2e

SECONDS = 300


def remove(release: Release, what: str) -> None:
    """Do one step of the removal; it fails when it does not end."""
    kubectl, patience = release.kubectl, f"--timeout={SECONDS}s"
    if what == "release":
        release.remove()
    elif what == "policies":
        kubectl("delete", PLURAL, "--all", patience, timeout=SECONDS + 10)
    else:
        kubectl("delete", "namespace", kubectl.namespace, patience, timeout=SECONDS + 10)


# The operator is gone first in one, and goes at any moment in the other. With the policy first no
# release of these tests is removed otherwise; the CRD's removal needs no cluster to be shown.
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "order", [("release", "policies", "namespace"), ("namespace",)], ids="-".join
)
def test_removal_ends(context: str, values: dict[str, Any], order: tuple[str, ...]) -> None:
    release = Release(Kubectl(context, "taxi-removal"), "taxi")
    release.uninstall()
    release.install({**values, "metrics": {"serviceMonitor": {"enabled": False}}})
    release.kubectl.apply(falling_back(release, "away", ALWAYS))
    wait_for("fallback", lambda: traffic_of(release) == "fallback", seconds=SECONDS)

    for one in order:
        remove(release, one)

    found = release.kubectl("get", "namespace", "taxi-removal", "--ignore-not-found")
    assert found.strip() == ""
