"""From the last release that was cut to this one, under load: nobody notices, no row is lost."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.cluster_faults import assert_all_logged, leaving
from support.cluster_load import load_in_cluster
from support.waiting import wait_for

from taxi_stories.kubectl import Kubectl
from taxi_stories.release import CHART, Release

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

#: The tree of 0.1.0, whose images `make soak-upgrade` brings into the cluster.
LAST = Path(__file__).parents[2] / ".build" / "0.1.0"
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


@pytest.mark.timeout(600)
def test_an_upgrade_of_the_chart_loses_nothing(context: str, values: dict[str, Any]) -> None:
    images_before = json.loads((LAST / ".build" / "values.json").read_text())
    chart = LAST / "charts" / "taxi-monitoring"
    before = Release(Kubectl(context, "taxi-upgrade"), "taxi", chart=chart)
    after = replace(before, chart=CHART)
    before.uninstall()  # what a run that was cut off left
    try:
        before.install({**images_before, **SMALL})
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
