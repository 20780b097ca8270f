"""A Prometheus that is away, hangs, or answers strangely: nothing is decided from nothing."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.control_plane import Server, condition_of
from support.operator_process import eventually
from support.policy_namespace import FALLBACK, PolicyNamespace
from support.prometheus import Exporter, running_prometheus, selector

from taxi_domain.kube import POLICY_LABEL

pytestmark = pytest.mark.component


@pytest.fixture
def broken(tmp_path: Path, exporter: Exporter) -> Iterator[Server]:
    """Return a Prometheus of its own, which the test breaks."""
    with running_prometheus(tmp_path, exporter) as one:
        yield one


def traffic(world: PolicyNamespace) -> str:
    active: str = (world.status().get("traffic") or {}).get("active", "")
    return active


def outages(world: PolicyNamespace) -> int:
    return world.events().count("MetricsAvailableFalse")


@pytest.mark.parametrize("how", ["kill", "hang"])
def test_silent_prometheus_holds_the_state_of_its_policies_only(
    world: PolicyNamespace, broken: Server, how: str
) -> None:
    operator = world.operator(PROMETHEUS_ALLOWED=broken.url)
    world.say(error=2, other=0)
    url = {"url": broken.url, "timeoutSeconds": 3}
    world.apply_policy(prometheus=url)
    eventually("the fallback serves", lambda: traffic(world) == "Fallback")
    world.add_service("second", champion=FALLBACK)
    world.apply_policy(
        "q", target={"deploymentName": FALLBACK, "activeServiceName": "second"}, modelName="q",
        signals=[world.signal("other")], rules={"retrain": {"anyOf": [{"allOf": ["other"]}]}},
        fallback=None,
    )  # fmt: skip

    eventually(
        "both signals are read",
        lambda: condition_of(world.policy(), "MetricsAvailable")[0] == "True",
    )
    before = outages(world)  # perhaps before the first scrape, or of a busy machine
    getattr(broken, how)()
    eventually(
        "it is said",
        lambda: (
            condition_of(world.policy(), "MetricsAvailable") == ("False", "PrometheusUnreachable")
        ),
    )
    eventually("an Event says it", lambda: outages(world) > before)
    told = outages(world)
    world.say(other=2)
    eventually("the other policy acts", world.jobs)
    operator.reconcile(3)

    assert [one["metadata"]["labels"][POLICY_LABEL] for one in world.jobs()] == ["q"]
    assert (traffic(world), world.selects()) == ("Fallback", FALLBACK)
    assert {one["name"]: one["breached"] for one in world.status()["signals"]} == {
        "drift": False, "error": True,
    }  # fmt: skip
    assert outages(world) == told, "once"

    world.say(error=0)
    if how == "kill":
        broken.start("/-/ready")
    else:
        broken.wake()
    eventually("the champion serves", lambda: traffic(world) == "Champion")
    eventually("it is said", lambda: condition_of(world.policy(), "MetricsAvailable")[0] == "True")


def test_policy_may_ask_only_what_the_platform_lists(
    world: PolicyNamespace, broken: Server
) -> None:
    world.operator(PROMETHEUS_ALLOWED="http://127.0.0.1:1")
    world.say(drift=2)
    world.apply_policy(prometheus={"url": broken.url})

    eventually(
        "it is refused", lambda: condition_of(world.policy(), "Ready") == ("False", "InvalidSpec")
    )
    (ready,) = (one for one in world.status()["conditions"] if one["type"] == "Ready")
    assert ready["message"].startswith("spec.prometheus.url: is not on the platform's list; leave")
    assert "operator.prometheus.allowedURLs" in ready["message"]
    assert condition_of(world.policy(), "MetricsAvailable") == ("False", "InvalidSpec")
    assert world.jobs() == []

    world.apply_policy()
    eventually("the platform's server is asked", world.jobs)


def test_strange_answers_start_nothing_and_are_named(world: PolicyNamespace) -> None:
    operator = world.operator()
    names = ["nothing", "nan", "infinite", "two", "text"]
    signals = [world.signal(name) for name in names]
    signals[-1]["promql"] = '"text"'
    world.say(nan=math.nan, infinite=math.inf, two=(2, 2))
    world.apply_policy(
        signals=signals, fallback=None,
        rules={"retrain": {"anyOf": [{"allOf": [name]} for name in names]}},
    )  # fmt: skip

    eventually(
        "all is scraped and looked at",
        lambda: condition_of(world.policy(), "Ready") == ("False", "AmbiguousQuery"),
    )
    operator.reconcile()
    states = {one["name"]: one["state"] for one in world.status()["signals"]}
    assert states == dict.fromkeys(names, "NoData")
    assert world.jobs() == []
    assert condition_of(world.policy(), "Ready") == ("False", "AmbiguousQuery")
    messages = {one["name"]: one["message"] for one in world.status()["signals"]}
    assert "2 series" in messages["two"]
    assert "no result" in messages["nothing"]

    world.say(two=2)
    eventually("one series is an answer", world.jobs)
    eventually(
        "the text is left", lambda: condition_of(world.policy(), "Ready")[1] == "InvalidQuery"
    )


def reading(world: PolicyNamespace, name: str) -> dict[str, Any]:
    found = world.status().get("signals") or []
    return next((one for one in found if one["name"] == name), {})


def test_series_that_vanishes_is_no_data_long_before_its_last_value_leaves_the_range(
    world: PolicyNamespace,
) -> None:
    operator = world.operator()
    # The time of its start is none of the minute.
    eventually("it runs", operator.is_well)
    lasting = {"op": "GreaterOrEqual", "value": "1", "for": "60s"}
    signal = world.signal("drift", promql=selector(world.namespace, "drift"), enter=lasting)
    world.say(drift=2)
    world.apply_policy(signals=[signal], rules={"retrain": {"anyOf": [{"allOf": ["drift"]}]}})
    eventually("it is seen", lambda: reading(world, "drift").get("state") == "Pending")
    # A series of a few seconds may have no sample at any step of the range.
    operator.reconcile(5)

    world.say(drift=())
    eventually("its age is told", lambda: "sample is" in reading(world, "drift").get("message", ""))
    assert reading(world, "drift")["state"] == "NoData"
    assert "of 60 s" in reading(world, "drift")["message"]
    assert condition_of(world.policy(), "MetricsAvailable") == ("False", "NoData")
    operator.reconcile(3)
    assert world.jobs() == []


def test_series_whose_end_nobody_marked_is_too_old_by_its_age(
    world: PolicyNamespace, broken: Server, exporter: Exporter
) -> None:
    world.operator(PROMETHEUS_ALLOWED=broken.url)
    exporter.dated.add((world.namespace, "drift"))
    promql = selector(world.namespace, "drift")
    signal = world.signal("drift", promql=promql, maxAgeSeconds=5)
    world.apply_policy(
        signals=[signal], prometheus={"url": broken.url},
        rules={"retrain": {"anyOf": [{"allOf": ["drift"]}]}},
    )  # fmt: skip
    eventually("it is seen", lambda: reading(world, "drift").get("state") == "Healthy")

    world.say(drift=())
    eventually("it is missed", lambda: reading(world, "drift").get("state") == "NoData")

    found = httpx.get(f"{broken.url}/api/v1/query", params={"query": promql}, timeout=30).json()
    assert found["data"]["result"], "Prometheus itself still takes it for a present value"
