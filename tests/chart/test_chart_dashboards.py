"""Dashboards: made by their code, of one release each, and asking only what is there."""

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins, runtime
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from support.chart import CHART, Manifest, manifests, template
from support.promql import (
    TARGET_LABELS,
    grouped,
    labels_of,
    model_gauges,
    names,
    own_labels,
    selectors,
)

from taxi_dashboards.main import documents, text_of
from taxi_domain.metrics import CATALOGUE

pytestmark = pytest.mark.chart

FOLDER = CHART / "files" / "dashboards"
FILES = {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
NAMES = ("model.json", "overview.json", "pipeline.json", "policies.json")
VARIABLES = ["datasource", "cluster", "namespace", "release", "model", "model_role"]
FILLED = {
    "$__rate_interval": "1m", "$namespace": "ns", "$model_role": "champion", "$model": "m",
    "$release": "taxi", "$cluster": ".*",
}  # fmt: skip


def panels_of(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in board["panels"] if one["type"] != "row"]


def all_panels() -> Iterator[Any]:
    for name, board in FILES.items():
        for panel in panels_of(board):
            yield pytest.param(panel, id=f"{name}-{panel['title']}")


def filled(query: str) -> str:
    for variable in sorted(FILLED, key=len, reverse=True):
        query = query.replace(variable, FILLED[variable])
    return query


QUERIES = [
    *(
        target["expr"]
        for board in FILES.values() for panel in panels_of(board) for target in panel["targets"]
    ),
    *(one["expr"] for board in FILES.values() for one in board["annotations"]["list"]),
]  # fmt: skip


@cache
def shipped(release: str = "taxi", namespace: str = "ns") -> dict[str, dict[str, Any]]:
    """Return the boards of a release by the names of their files."""
    return boards(manifests(template(release=release, namespace=namespace)))


def boards(objects: list[Manifest]) -> dict[str, dict[str, Any]]:
    (config,) = (
        one
        for one in objects
        if one["kind"] == "ConfigMap" and one["metadata"]["name"].endswith("-dashboards")
    )
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    return {name: json.loads(text) for name, text in config["data"].items()}


def test_the_files_are_what_the_code_makes() -> None:
    made = {name: text_of(document) for name, document in documents().items()}

    assert sorted(made) == sorted(NAMES)
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == made


def through_grafanas_types(board: dict[str, Any]) -> dict[str, Any]:
    """Return what is left of a board that the types of the SDK's release read and write again."""
    # Without these, options, custom fields and queries are taken as they are, whatever they hold.
    plugins.register_default_plugins()
    found: dict[str, Any] = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    return found


def customs_without_a_type(board: dict[str, Any]) -> list[str]:
    """Return the panels with custom fields whose kind has none: the types take them as they are."""
    plugins.register_default_plugins()
    return [
        one["title"]
        for one in panels_of(board)
        if (kind := runtime.panelcfg_config(one["type"])) is None
        or (not kind.field_config_from_json_hook and "custom" in one["fieldConfig"]["defaults"])
    ]


@pytest.mark.parametrize("name", NAMES)
def test_grafanas_types_know_every_field(name: str) -> None:
    # Those of the release that the package is made for; what they do not know is lost on the way.
    board = copy.deepcopy(FILES[name])
    for annotation in board["annotations"]["list"]:
        assert annotation.pop("titleFormat")  # of Prometheus' own editor, in no schema
    for panel in panels_of(board):
        if panel["type"] == "table":  # the types write down what its columns are without it
            columns = {"align": "auto", "inspect": False}
            panel["fieldConfig"]["defaults"].setdefault("custom", columns)

    assert through_grafanas_types(board) == board
    assert customs_without_a_type(board) == []


@pytest.mark.parametrize("kind", ["timeseries", "stat", "state-timeline", "table"])
def test_a_field_that_grafana_does_not_know_is_found(kind: str) -> None:
    name = next(name for name in NAMES if kind in {one["type"] for one in panels_of(FILES[name])})
    board = copy.deepcopy(FILES[name])
    panel = next(one for one in panels_of(board) if one["type"] == kind)
    panel.setdefault("options", {})["madeUpOption"] = True
    panel["fieldConfig"]["defaults"].setdefault("custom", {})["madeUpField"] = True
    panel["targets"][0]["madeUpOfQuery"] = True

    left = set(re.findall("madeUp[A-Za-z]+", json.dumps(through_grafanas_types(board))))

    # A panel of one figure has no custom fields, so no type that would lose them.
    assert left == ({"madeUpField"} if kind == "stat" else set())
    assert customs_without_a_type(board) == ([panel["title"]] if kind == "stat" else [])


@pytest.mark.parametrize("panel", list(all_panels()))
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]

    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert defaults["unit"]
    assert defaults["noValue"]
    assert panel["targets"]
    assert all(target["legendFormat"] for target in panel["targets"])
    if panel["type"] == "state-timeline":
        assert defaults["mappings"]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_stays_in_the_release_that_is_chosen(query: str) -> None:
    found = selectors(filled(query))

    assert [one.name for one in found] == names(filled(query))
    assert "taxi-" not in query, "names a release"
    for selector in found:
        matchers = {one.name: one.value for one in selector.matchers.matchers}
        assert labels_of(selector) <= {*own_labels(selector.name), *TARGET_LABELS}
        assert matchers["cluster"] == ".*"
        assert matchers["namespace"] == "ns"
        assert "taxi" in " ".join(matchers.values()), "of which release?"


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_groups_by_labels_that_exist(query: str) -> None:
    known = {label for name in names(query) for label in own_labels(name)}

    assert grouped(query) <= known | TARGET_LABELS
    assert not model_gauges(filled(query)) or "max by (model, model_role" in query


def test_every_metric_of_the_catalogue_that_people_look_at_is_on_a_board() -> None:
    shown = {name for query in QUERIES for name in names(query)}
    missing = {
        metric.name for metric in CATALOGUE if not {metric.name, f"{metric.name}_bucket"} & shown
    }

    # What PSI is recorded from, and a line that only names the model.
    assert missing == {
        "taxi_monitor_feature_rows_total", "taxi_monitor_reference_bin_ratio",
        "taxi_monitor_model_info",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_board_asks_for_its_place_and_is_laid_out_without_holes(name: str) -> None:
    board = FILES[name]
    taken: set[tuple[int, int]] = set()

    assert [one["name"] for one in board["templating"]["list"]] == VARIABLES
    assert board["refresh"] == "30s"
    assert "__inputs" not in board
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken
        taken |= cells


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_asks_for_what_those_before_it_allow(name: str) -> None:
    known: list[str] = []
    for one in FILES[name]["templating"]["list"]:
        query = one["query"] if isinstance(one["query"], str) else one["query"]["query"]
        assert set(re.findall(r"\$(\w+)", query)) <= set(known)
        known.append(one["name"])
        if one["type"] == "query":
            inside = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
            assert inside is not None
            (selector,) = selectors(filled(inside[1]))
            assert inside[2] in {*own_labels(selector.name), *TARGET_LABELS}


def test_the_boards_of_a_release_lead_to_each_other_and_to_its_pages() -> None:
    found = shipped()
    uids = {board["uid"] for board in found.values()}

    assert len(uids) == 4
    for board in found.values():
        links = {link["title"]: link for link in board["links"]}
        inside = {link["url"].removeprefix("/d/") for link in links.values()}
        assert uids - {board["uid"]} <= inside
        assert links["The monitor's page"]["url"] == "http://taxi-monitor.ns"
        assert all(
            link["includeVars"] and link["keepTime"]
            for link in links.values() if not link["targetBlank"]
        )  # fmt: skip
        assert not re.search(r"UID|NAMESPACE|RELEASE|MONITOR_URL|RUNBOOK", json.dumps(board))
    alerts = next(
        panel for panel in panels_of(found["ns-taxi-overview.json"]) if panel["type"] == "table"
    )
    assert "http://taxi-monitor.ns/runbooks/${__data.fields.alertname}" in json.dumps(alerts)


@pytest.mark.parametrize("other", [("flights", "ns"), ("taxi", "elsewhere")])
def test_two_releases_of_one_grafana_share_no_board(other: tuple[str, str]) -> None:
    first, second = shipped(), shipped(*other)

    for key in ("uid", "title"):
        values = [{board[key] for board in found.values()} for found in (first, second)]
        assert not values[0] & values[1]
    assert not set(first) & set(second)
    for board in second.values():
        assert len(board["uid"]) <= 40
        chosen = {one["name"]: one.get("current") for one in board["templating"]["list"]}
        assert chosen["release"]["value"] == other[0]
        assert chosen["namespace"]["value"] == other[1]


def test_the_monitors_address_is_that_of_the_values() -> None:
    values = {"metrics": {"dashboards": {"monitorUrl": "https://monitor.example"}}}

    for board in boards(manifests(template(values))).values():
        assert "https://monitor.example" in [link["url"] for link in board["links"]]
