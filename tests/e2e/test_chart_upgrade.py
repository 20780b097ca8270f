"""From the last release that was cut to this one, under load: nobody notices, no row is lost."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.cluster_faults import assert_all_logged, leaving
from support.cluster_load import load_in_cluster
from support.waiting import wait_for

from taxi_stories.kubectl import Kubectl
from taxi_stories.release import CHART, Release

pytestmark = pytest.mark.e2e

LAST = Path(__file__).parents[1] / "chart" / "releases" / "taxi-monitoring-0.1.0.tgz"
RATE = 50.0
#: A small one: two predictors, so that one can be replaced, and nothing that the cluster measures.
SMALL: dict[str, Any] = {
    "predictor": {"replicas": 2, "workers": 1},
    "fallback": {"workers": 1},
    "batchReport": {"enabled": False},
    "metrics": {
        "serviceMonitor": {"enabled": False},
        "prometheusRule": {"enabled": False},
        "dashboards": {"enabled": False},
    },
}


def passwords(release: Release) -> dict[str, dict[str, str]]:
    """Return the data of the chart's Secrets, by name."""
    found = release.kubectl.get("secrets")["items"]
    return {one["metadata"]["name"]: one["data"] for one in found if one["type"] == "Opaque"}


# The images are those of now in both: what is upgraded here is the chart.
@pytest.mark.timeout(600)
def test_an_upgrade_of_the_chart_loses_nothing(context: str, values: dict[str, Any]) -> None:
    before = Release(Kubectl(context, "taxi-upgrade"), "taxi", chart=LAST)
    after = replace(before, chart=CHART)
    before.uninstall()  # what a run that was cut off left
    try:
        before.install({**values, **SMALL})
        had = passwords(before)
        with load_in_cluster(after, RATE) as answers:
            after.install({**values, **SMALL})
            wait_for("the old pods' end", lambda: not leaving(after, "predictor"))

        assert answers.failures == []
        assert len(answers.ride_ids) > RATE
        assert_all_logged(after, answers.ride_ids)
        assert len(had) == len(passwords(after).keys() & had.keys()) > 4
        assert {name: passwords(after)[name] for name in had} == had
    finally:
        after.uninstall()
