"""DriftPolicies at the real API server: examples are served, bad ones are refused with reasons."""

from typing import Any

import pytest
import yaml
from support.cluster_load import send_rides, some_rides
from support.cluster_policies import condition_of, delete_policy
from support.waiting import wait_for

from taxi_operator.spec.policy import policy_of
from taxi_stories.kubectl import CommandError
from taxi_stories.prometheus import Prometheus
from taxi_stories.release import Release
from taxi_stories.scenarios import SCENARIOS
from taxi_stories.story import EXAMPLES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]


#: Examples beside the stories'.
OF_A_RELEASE = ("smallest", "production")


def test_every_example_is_applied_by_a_test() -> None:
    """The stories apply theirs; the next test applies the others, which are of one release."""
    told = {f"{name}.yaml" for name in SCENARIOS}

    assert {path.name for path in EXAMPLES.glob("*.yaml")} == told | {
        f"{name}.yaml" for name in OF_A_RELEASE
    }


@pytest.mark.parametrize("example", OF_A_RELEASE)
def test_example_is_served_and_its_queries_are_usable(
    installed: Release, prometheus: Prometheus, example: str
) -> None:
    send_rides(installed, some_rides(600))
    path = EXAMPLES / f"{example}.yaml"
    policy = yaml.safe_load(path.read_text())
    name = policy["metadata"]["name"]
    installed.kubectl("apply", "-f", str(path))
    try:
        wait_for(
            "Ready", lambda: condition_of(installed, name, "Ready").get("status") == "True",
            seconds=300,
        )  # fmt: skip
        # No query is refused and none is without data.
        wait_for(
            "values of all signals",
            lambda: condition_of(installed, name, "MetricsAvailable").get("status") == "True",
            seconds=300,
        )
        assert condition_of(installed, name, "Ready")["reason"] == "PolicyAccepted"
        for signal in policy_of(policy["spec"], installed.kubectl.namespace).signals:
            queries = (signal.promql, signal.freshness_promql, signal.min_samples_promql)
            # One scrape that fails leaves a query without data until the next one.
            wait_for(
                f"one series for each query of {signal.name}",
                lambda queries=queries: all(len(prometheus.query(one)) == 1 for one in queries),
            )
    finally:
        delete_policy(installed, name)


def production() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / "production.yaml").read_text())
    return found


def refuse(installed: Release, manifest: dict[str, Any]) -> str:
    with pytest.raises(CommandError) as refusal:
        installed.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(manifest))
    return refusal.value.output


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("mode",), "Sometimes", "spec.mode"),
        (("signals", 0, "enter", "value"), "high", "enter.value"),
        (("signals", 0, "enter", "for"), "30 days", "enter.for"),
        (("signals", 0, "exit", "value"), "2", "healthy side"),
        (("rules", "retrain", "anyOf"), [{"allOf": ["nothing"]}], "spec.signals does not have"),
        (("retrain",), None, "needs spec.retrain"),
        (("target",), None, "spec.target"),
        (("intervall",), 3, "intervall"),
        (("gate", "champion", "confidence"), "95", "confidence"),
    ],
)
def test_bad_policy_is_refused_with_the_field(
    installed: Release, path: tuple[Any, ...], value: object, text: str
) -> None:
    manifest = production()
    part = manifest["spec"]
    for name in path[:-1]:
        part = part[name]
    if value is None:
        del part[path[-1]]
    else:
        part[path[-1]] = value

    assert text in refuse(installed, manifest)
