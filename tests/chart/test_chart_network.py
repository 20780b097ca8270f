"""NetworkPolicies let through what docs/network.md says and no more; what publishes the APIs."""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from support.chart import CHART, VALUE_SETS, environment, manifests, pods, rendered, template
from support.network_graph import Flow, graph, pods_of

pytestmark = pytest.mark.chart

PAGE = CHART.parents[1] / "docs" / "network.md"
FROM = ("clients", "ingressControllers", "prometheus")
TO = (
    "dns", "apiServer", "prometheus", "webhook", "collector", "mongodb", "objectStore", "prefect",
    "dask", "dataSource",
)  # fmt: skip
WELL_KNOWN = {"http": 80, "https": 443}
Manifest = dict[str, Any]


def distinct() -> tuple[Manifest, dict[str, Manifest]]:
    """Return values with a peer of its own for each outside end, and the peers by name."""
    names = [f"from.{one}" for one in FROM] + [f"to.{one}" for one in TO]
    peers = {name: {"ipBlock": {"cidr": f"192.0.2.{at}/32"}} for at, name in enumerate(names, 1)}
    policy: Manifest = {"enabled": True, "from": {}, "to": {}}
    for name, peer in peers.items():
        side, _, key = name.partition(".")
        policy[side][key] = [peer] if side == "from" else {"peers": [peer]}
    return {"networkPolicy": policy}, peers


#: Sets of values that switch on what no file of `ci/` has.
MORE: dict[str, Manifest] = {
    "published": {
        "active": {"ingress": {"enabled": True, "hosts": [{"host": "predict.example"}]}},
        "monitor": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}},
    },
    "routed": {
        "active": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}},
        "monitor": {"ingress": {"enabled": True, "hosts": [{"host": "monitor.example"}]}},
    },
    "a source of rows": {
        "model": {"schema": 'id = "row"\n'},
        "firstModel": {"dataURL": "https://rows.example:8443/rows.parquet"},
    },
    "no prometheus": {"operator": {"prometheus": {"url": ""}}},
}


@cache
def policed(name: str) -> tuple[list[Manifest], Manifest]:
    """Return a render with policies, and all of its values."""
    path = VALUE_SETS.get(name)
    own = distinct()[0] | MORE.get(name, {})
    text = template(own, files=[path] if path else [])
    values: Manifest = yaml.safe_load((CHART / "values.yaml").read_text())
    for one in (yaml.safe_load(path.read_text()) if path else {}, own):
        values = merged(values, one)
    return manifests(text), values


def merged(values: Manifest, more: Manifest) -> Manifest:
    """Return values with others laid over them, as helm does."""
    found = dict(values)
    for key, value in more.items():
        below = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = merged(found[key], value) if below else value
    return found


def table() -> Iterator[tuple[list[str], list[str], str, str]]:
    """Yield the rows of the page's table of flows."""
    lines = iter(PAGE.read_text().splitlines())
    next(line for line in lines if line == "| from | to | ports | when |")
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        source, target, ports, when = (cell.strip() for cell in line.strip("|").split("|"))
        yield quoted(source), quoted(target), ports, when


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def value_of(values: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path; None where there is nothing."""
    found: Any = values
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def holds(when: str, values: Mapping[str, Any]) -> bool:
    """Tell whether a condition holds: paths of values with `not`, `or`, and commas for and."""

    def one_of(part: str) -> bool:
        return any(
            bool(value_of(values, quoted(one)[0])) != one.strip().startswith("not ")
            for one in part.split(" or ")
        )

    return all(one_of(part) for part in when.split(",")) if when else True


def ports_of(cell: str, values: Mapping[str, Any]) -> set[int | str]:
    """Return the ports that a cell means."""
    if cell == "all":
        return {"all"}
    if not cell.startswith("of "):
        return {int(one) for one in re.findall(r"\d+", cell)}
    given = [value_of(values, path) for path in quoted(cell)]
    urls = [url for one in given for url in (one if isinstance(one, list) else [one]) if url]
    parts = [urlsplit(url) for url in urls]
    return {one.port or WELL_KNOWN[one.scheme] for one in parts}


def expected(parts: set[str], values: Mapping[str, Any]) -> set[Flow]:
    """Return the flows of the page's table that a release has."""
    flows = set()
    for sources, targets, ports, when in table():
        if not holds(when, values):
            continue
        ends = [(source, target) for source in sources for target in targets]
        for end in ends:
            if all("." in one or one in parts for one in end):
                flows |= {Flow(*end, port) for port in ports_of(ports, values)}
    return flows


@pytest.mark.parametrize("name", [*VALUE_SETS, *MORE])
def test_who_may_reach_whom_is_what_the_page_says(name: str) -> None:
    found, values = policed(name)
    parts = {one.component for one in pods_of(found)}

    assert graph(found, distinct()[1]) == expected(parts, values)


def test_the_tests_can_tell_a_missing_policy_and_one_too_many() -> None:
    found, values = policed("default")
    right = expected({one.component for one in pods_of(found)}, values)
    name = "taxi-monitor"
    without = [
        one for one in found
        if one["kind"] != "NetworkPolicy" or one["metadata"]["name"] not in {name, "taxi-deny"}
    ]  # fmt: skip
    whole = {**found[0], "kind": "NetworkPolicy", "spec": {
        "podSelector": {}, "policyTypes": ["Egress"], "egress": [{}],
    }}  # fmt: skip

    assert Flow("from.clients", "monitor", "all") in graph(without, distinct()[1]) - right
    assert Flow("train", "to.webhook", "all") in graph([*found, whole], distinct()[1]) - right


def test_every_row_of_the_page_is_met_by_some_set_of_values() -> None:
    """A row that no set has would be compared with nothing."""
    met = set()
    for name in [*VALUE_SETS, *MORE]:
        found, values = policed(name)
        parts = {one.component for one in pods_of(found)}
        for at, (sources, targets, _, when) in enumerate(table()):
            ends = [one for one in (*sources, *targets) if "." not in one]
            if holds(when, values) and parts & set(ends):
                met.add(at)

    assert met == set(range(len(list(table()))))


@pytest.mark.parametrize("name", VALUE_SETS)
def test_policies_fit_the_schema_of_kubernetes(name: str) -> None:
    found = [one for one in policed(name)[0] if one["kind"] == "NetworkPolicy"]

    for one in found:
        kubernetes_validate.validate(one, "1.34", strict=True)
    assert all(one["spec"]["policyTypes"] == ["Ingress", "Egress"] for one in found)


def test_an_end_that_is_nobody_gets_no_rule() -> None:
    """An empty list of peers in a rule would be everybody."""
    policy = {"enabled": True, "from": {"clients": []}, "to": {"dns": {"peers": []}}}
    values = {"networkPolicy": policy, "tests": {"enabled": False}}
    for one in manifests(template(values)):
        if one["kind"] == "NetworkPolicy":
            for rule in [*one["spec"].get("ingress", []), *one["spec"].get("egress", [])]:
                assert rule.get("from") or rule.get("to"), one["metadata"]["name"]
                assert rule.get("ports"), one["metadata"]["name"]
                ports = {port["port"] for port in rule["ports"]}
                assert not ports & {53, 9696}, one["metadata"]["name"]


def test_rules_of_ones_own_are_added() -> None:
    rule = {"to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}], "ports": [{"port": 443}]}
    values = {"networkPolicy": {"enabled": True, "extraEgress": {"train": [rule]}}}
    found = {
        one["metadata"]["name"]: one["spec"]
        for one in manifests(template(values)) if one["kind"] == "NetworkPolicy"
    }  # fmt: skip

    assert rule in found["taxi-train"]["egress"]
    assert rule not in found["taxi-monitor"]["egress"]


def kinds(found: Sequence[Manifest], kind: str) -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in found if one["kind"] == kind}


@pytest.mark.parametrize("name", ["published", "routed"])
def test_what_is_published_leads_to_the_api_alone(name: str) -> None:
    found, _ = policed(name)
    services = kinds(found, "Service")
    led = []
    for one in kinds(found, "Ingress").values():
        kubernetes_validate.validate(one, "1.34", strict=True)
        for rule in one["spec"]["rules"]:
            led += [path["backend"]["service"] for path in rule["http"]["paths"]]
    for one in kinds(found, "HTTPRoute").values():
        assert one["apiVersion"] == "gateway.networking.k8s.io/v1"
        assert one["spec"]["parentRefs"] == [{"name": "public"}]
        for rule in one["spec"]["rules"]:
            led += [{**ref, "port": {"number": ref["port"]}} for ref in rule["backendRefs"]]

    assert sorted(one["name"] for one in led) == ["taxi-monitor", "taxi-predict"]
    for one in led:
        (port,) = services[one["name"]]["spec"]["ports"]
        assert one["port"] in ({"name": port["name"]}, {"number": port["port"]})
        assert port["targetPort"] == "http"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"active": {"ingress": {"enabled": True}}}, "active.ingress.hosts: is empty"),
        ({"monitor": {"httpRoute": {"enabled": True}}}, "monitor.httpRoute.parentRefs: is empty"),
        ({"active": {"service": {"type": "ExternalName"}}}, "type"),
        ({"monitor": {"service": {"ipFamilies": ["IPv5"]}}}, "ipFamilies"),
        ({"mongodb": {"service": {"type": "LoadBalancer"}}}, "type"),
        ({"networkPolicy": {"extraEgress": {"trian": []}}}, "trian"),
        ({"networkPolicy": {"from": {"clients": [{}]}}}, "clients"),
        ({"networkPolicy": {"to": {"dns": {"ports": [0]}}}}, "ports"),
    ],
)
def test_what_leads_nowhere_is_refused(values: Manifest, told: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        template(values)

    assert told in caught.value.stderr


BLOCKS: dict[str, tuple[str, ...]] = {
    "taxi-predict": ("active",), "taxi-predictor": ("predictor",), "taxi-fallback": ("fallback",),
    "taxi-monitor": ("monitor",), "taxi-operator": ("operator",),
    "taxi-dask-scheduler": ("batchReport", "dask", "scheduler"),
}  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
def test_every_service_takes_the_same_keys(name: str) -> None:
    service: Manifest = {
        "type": "LoadBalancer", "port": 8000, "nodePort": 30080, "clusterIP": "10.96.0.9",
        "labels": {"a": "b"}, "annotations": {"c": "d"}, "ipFamilyPolicy": "PreferDualStack",
        "ipFamilies": ["IPv4", "IPv6"], "externalTrafficPolicy": "Local",
        "internalTrafficPolicy": "Cluster", "trafficDistribution": "PreferClose",
        "sessionAffinity": "ClientIP", "loadBalancerClass": "example.org/lb",
        "loadBalancerSourceRanges": ["10.0.0.0/8"],
    }  # fmt: skip
    values: Manifest = {"batchReport": {"enabled": True, "dask": {"enabled": True}}}
    block: Manifest = {"service": service}
    for key in reversed(BLOCKS[name]):
        block = {key: block}
    found = kinds(manifests(template(merged(values, block))), "Service")
    one = found[name]
    kubernetes_validate.validate(one, "1.34", strict=True)

    (port,) = one["spec"]["ports"]
    assert (port["port"], port["nodePort"]) == (8000, 30080)
    assert one["metadata"]["labels"].items() >= service["labels"].items()
    assert one["metadata"]["annotations"].items() >= service["annotations"].items()
    plain = set(service) - {"port", "nodePort", "labels", "annotations"}
    assert {key: one["spec"][key] for key in plain} == {key: service[key] for key in plain}
    # A load balancer publishes all ports of its Service.
    assert port["targetPort"] != "metrics" or name == "taxi-operator"
    if metrics := found.get(f"{name}-metrics"):
        assert "type" not in metrics["spec"]
        assert metrics["spec"]["ipFamilies"] == service["ipFamilies"]


def test_a_changed_port_reaches_whoever_asks() -> None:
    values = {
        "monitor": {"service": {"port": 8000}}, "active": {"service": {"port": 8001}},
        "operator": {"service": {"port": 8002}}, "batchReport": {"enabled": True},
    }  # fmt: skip
    found = dict(pods(manifests(template(values))))
    (predictor,) = found["Deployment/taxi-predictor"]["containers"]
    (operator,) = found["Deployment/taxi-operator"]["containers"]
    (selftest,) = found["Pod/taxi-selftest"]["containers"]

    assert environment(predictor)["TAXI_MONITOR_URL"] == "http://taxi-monitor:8000"
    assert environment(operator)["TAXI_OPERATOR_REPORT_URL"] == "http://taxi-monitor.ns:8000"
    assert {"http://taxi-predict:8001", "http://taxi-operator:8002"} <= set(selftest["args"])
    (usual,) = dict(pods(rendered("default")))["Pod/taxi-selftest"]["containers"]
    assert "http://taxi-operator:9090" in usual["args"]


def test_mongodbs_service_is_headless_and_takes_what_such_a_service_has() -> None:
    service = {"labels": {"a": "b"}, "annotations": {"c": "d"}, "ipFamilies": ["IPv6"]}
    one = kinds(manifests(template({"mongodb": {"service": service}})), "Service")["taxi-mongodb"]
    spec = one["spec"]

    assert (spec["clusterIP"], "type" in spec, spec["ipFamilies"]) == ("None", False, ["IPv6"])
    assert spec["ports"] == [{"name": "mongodb", "port": 27017, "targetPort": "mongodb"}]
    assert one["metadata"]["labels"]["a"] == "b"
    assert one["metadata"]["annotations"] == {"c": "d"}


@pytest.mark.parametrize(
    ("service", "host"),
    [
        ({}, "0.0.0.0"),
        ({"ipFamilyPolicy": "SingleStack"}, "0.0.0.0"),
        ({"ipFamilyPolicy": "PreferDualStack"}, "::"),
        ({"ipFamilies": ["IPv6"]}, "::"),
    ],
)
def test_pods_listen_on_the_families_of_their_service(service: Manifest, host: str) -> None:
    found = dict(pods(manifests(template({"monitor": {"service": service}}))))
    (monitor,) = found["Deployment/taxi-monitor"]["containers"]

    assert environment(monitor)["TAXI_MONITOR_HOST"] == host
