"""The selector loop of the selectors asks for no more than it needs, and says who serves."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from taxi_domain.errors import TaxiError
from taxi_domain.metrics import OPERATOR_TRAFFIC
from taxi_operator.claims import Claims
from taxi_operator.core.decisions import Traffic
from taxi_operator.core.services import DEPLOYMENT_ANNOTATIONS
from taxi_operator.locks import Locks
from taxi_operator.metrics import Metrics
from taxi_operator.reporting import Reporter
from taxi_operator.selector_keeper import SelectorKeeper
from taxi_operator.traffic import TrafficControl

Document = dict[str, Any]


class FakeCluster:
    """One Service whose policy wants one of two Deployments; counts what is asked for."""

    def __init__(
        self, selected: Traffic | None, wanted: Traffic, ready: int, *others: Document
    ) -> None:
        self._others = others
        self.active = str(wanted)
        self.first: Document | None = None
        self.selector = None if selected is None else {"who": str(selected)}
        self.asked: list[str] = []
        self._ready = ready

    async def policies(self) -> list[Document]:
        metadata = {"name": "p", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
        spec = {"target": {"deploymentName": "Champion", "activeServiceName": "s"}}
        status = {"traffic": {"active": self.active}}
        return [*self._others, {"metadata": metadata, "spec": spec, "status": status}]

    async def services(self, _selector: str) -> list[Document]:
        names = {annotation: str(one) for one, annotation in DEPLOYMENT_ANNOTATIONS.items()}
        service = {
            "metadata": {"name": "s", "annotations": names}, "spec": {"selector": self.selector}
        }  # fmt: skip
        return [service] if self.first is None else [self.first, service]

    async def deployment(self, name: str) -> Document:
        self.asked.append(name)
        if name == "odd":
            return {"status": {"readyReplicas": "some"}}
        labels = {"matchLabels": {"who": name}}
        return {"spec": {"selector": labels}, "status": {"readyReplicas": self._ready}}

    async def select_pods(self, _service: str, labels: Mapping[str, str]) -> None:
        self.selector = dict(labels)


def stranger(**parts: object) -> Document:
    """Return an older policy that this release cannot read."""
    metadata = {"name": "old", "uid": "o", "creationTimestamp": "2025-01-01T00:00:00Z"}
    return {"metadata": metadata, **parts}


def keep(cluster: Any) -> dict[Traffic, float | None]:
    """Let the selector loop pass once; return what its metric says of each."""
    registry = CollectorRegistry()
    reporter = Reporter(cluster, Metrics(registry), lambda: 0.0)
    traffic = TrafficControl(cluster)
    asyncio.run(SelectorKeeper(Claims(cluster, traffic), traffic, reporter, Locks()).keep())
    return {
        one: registry.get_sample_value(
            OPERATOR_TRAFFIC.name, {"service": "s", "model_role": str(one).lower()}
        )
        for one in Traffic
    }


@pytest.mark.parametrize(
    ("active", "asked"),
    [(Traffic.CHAMPION, ["Champion"]), (Traffic.FALLBACK, ["Champion", "Fallback"])],
)
def test_who_serves_is_known_from_what_was_asked_for_anyway(
    active: Traffic, asked: list[str]
) -> None:
    cluster = FakeCluster(active, active, ready=1)

    assert keep(cluster)[active] == 1
    assert cluster.asked == asked


@pytest.mark.parametrize(
    ("selected", "wanted", "ready", "serves"),
    [
        (None, Traffic.CHAMPION, 0, Traffic.CHAMPION),
        (Traffic.CHAMPION, Traffic.FALLBACK, 1, Traffic.FALLBACK),
        (Traffic.CHAMPION, Traffic.FALLBACK, 0, Traffic.CHAMPION),
        (Traffic.FALLBACK, Traffic.CHAMPION, 1, Traffic.CHAMPION),
        (Traffic.FALLBACK, Traffic.CHAMPION, 0, Traffic.FALLBACK),
    ],
)
def test_metric_says_who_serves_and_not_who_is_wanted(
    selected: Traffic | None, wanted: Traffic, ready: int, serves: Traffic
) -> None:
    cluster = FakeCluster(selected, wanted, ready)

    says = keep(cluster)

    assert cluster.selector == {"who": str(serves)}
    assert says == {one: float(one is serves) for one in Traffic}


OTHER_TARGET = {
    "modelName": "other", "target": {"deploymentName": "x", "activeServiceName": "t"}
}  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["active", "since", "run", "traffic", "state", "target"]), inner
    ),
    max_leaves=8,
)  # fmt: skip


@given(
    st.builds(stranger, spec=st.just(OTHER_TARGET), status=json_values)
    | st.builds(stranger, spec=json_values, status=json_values)
)
@example(stranger(spec=OTHER_TARGET, status={"traffic": {"active": "Shadow"}}))
@example(stranger(spec=OTHER_TARGET, status={"run": {"state": "Observing"}}))
@example(stranger(spec=OTHER_TARGET, status={"run": {"number": "one", "startedAt": "0000"}}))
@example(stranger(spec={"target": {"deploymentName": "x"}}))
@example(stranger(spec={"target": {"activeServiceName": ["s"]}}))
@example(stranger())
def test_policy_that_cannot_be_read_is_its_own_trouble(strange: Document) -> None:
    cluster = FakeCluster(Traffic.CHAMPION, Traffic.FALLBACK, 1, strange)

    assert keep(cluster)[Traffic.FALLBACK] == 1


def test_unknown_traffic_moves_nothing() -> None:
    cluster = FakeCluster(Traffic.FALLBACK, Traffic.CHAMPION, ready=1)
    cluster.active = "Shadow"

    assert keep(cluster)[Traffic.FALLBACK] == 1


def test_service_in_trouble_is_no_trouble_of_others() -> None:
    cluster = FakeCluster(Traffic.CHAMPION, Traffic.FALLBACK, ready=1)
    cluster.first = {"metadata": {"name": "a", "annotations": None}, "spec": None}
    cluster.first["metadata"]["annotations"] = dict.fromkeys(DEPLOYMENT_ANNOTATIONS.values(), "odd")

    with pytest.raises(TaxiError, match="Service a"):
        keep(cluster)

    assert cluster.selector == {"who": str(Traffic.FALLBACK)}
