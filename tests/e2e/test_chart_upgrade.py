"""From the last release that was cut to this one, under load: nobody notices, no row is lost."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.applied_render import passwords_of
from support.cluster_faults import assert_all_logged, leaving
from support.cluster_load import load_in_cluster
from support.waiting import wait_for

from taxi_stories.kubectl import Kubectl, run
from taxi_stories.release import CHART, Release

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

ROOT = Path(__file__).parents[2]
#: The tree of 0.1.0, whose images `make soak-upgrade` brings into the cluster.
LAST = ROOT / ".build" / "0.1.0"
RESULT = ROOT / "benchmarks" / "results" / "soak_upgrade.json"
#: Helm 4 and Helm 3.
HELMS = ("helm", "helm3")
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


def version_of(helm: str) -> str:
    """Return the version that a helm says it is."""
    return run([helm, "version", "--template", "{{.Version}}"], timeout=30).removeprefix("v")


@pytest.fixture(scope="module")
def passed() -> Iterator[dict[str, dict[str, Any]]]:
    """Return where each helm's figures go; they are written when the upgrades by all went well."""
    figures: dict[str, dict[str, Any]] = {}
    yield figures
    if set(figures) == set(HELMS):
        versions = {name: version_of(name) for name in HELMS}
        result = {"figures": figures, "command": "make soak-upgrade", "versions": versions}
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("helm", HELMS)
def test_an_upgrade_of_the_chart_loses_nothing(
    context: str, values: dict[str, Any], passed: dict[str, dict[str, Any]], helm: str
) -> None:
    images_before = json.loads((LAST / ".build" / "values.json").read_text())
    chart = LAST / "charts" / "taxi-monitoring"
    before = Release(Kubectl(context, "taxi-upgrade"), "taxi", helm, chart)
    after = replace(before, chart=CHART)
    before.uninstall()  # what a run that was cut off left
    try:
        before.install({**images_before, **SMALL})
        had = passwords_of(before)
        with load_in_cluster(after, RATE) as answers:
            after.install({**values, **SMALL})
            wait_for("the old pods' end", lambda: not leaving(after, "predictor"))

        assert answers.failures == []
        assert len(answers.ride_ids) > RATE
        assert_all_logged(after, answers.ride_ids)
        # A Secret may get more keys, such as a token that 0.1.0 did not have.
        have = passwords_of(after)
        assert len(had) > 4
        assert {name: {key: have[name][key] for key in had[name]} for name in had} == had
    finally:
        after.uninstall()
    passed[helm] = {
        "rate": RATE, "answered": len(answers.ride_ids), "failed": answers.failed,
        "missing": 0,  # the log has all
        "slowest_seconds": round(answers.slowest_seconds, 3),
    }  # fmt: skip
