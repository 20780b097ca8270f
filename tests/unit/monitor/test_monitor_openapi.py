"""The OpenAPI document lists every door, by the names of the champion's schema."""

from typing import Any

import msgspec
import pytest
from support.page_states import blocks_of
from support.taxi_columns import SCHEMA

from taxi_domain.verdicts import Side
from taxi_monitor.app import create_app
from taxi_monitor.http.event_log import EventLog
from taxi_monitor.http.openapi import document
from taxi_monitor.http.verdict_forms import block_form

#: Pages, and what is no JSON.
NO_JSON = (
    "/", "/reports", "/reports/{report_id}", "/openapi.json", "/page.css",
    "/versions/{role}", "/versions/{role}/columns/{path:name}",
    "/runbooks/{alert}",
)  # fmt: skip


def test_every_route_is_described_with_its_method() -> None:
    nothing: Any = None
    app = create_app(nothing, EventLog(nothing, "rides"), nothing, nothing)
    routes = {
        (rule.rule.replace("<", "{").replace(">", "}"), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}
    }

    described = {
        (path, method) for path, methods in document(SCHEMA)["paths"].items() for method in methods
    }

    assert described == {one for one in routes if one[0] not in NO_JSON}


@pytest.mark.parametrize("schema", [None, SCHEMA])
def test_labels_and_rows_have_the_models_names(schema: Any) -> None:
    schemas = document(schema)["components"]["schemas"]

    names = set(schemas["Label"].get("properties", {}))
    assert names == (set() if schema is None else {"ride_id", "duration"})
    assert ("ride_id" in schemas["Row"].get("required", [])) == (schema is not None)


def test_the_evidence_of_a_version_is_described_to_its_traffic() -> None:
    schemas = document(SCHEMA)["components"]["schemas"]

    version = schemas["Versions"]["properties"]["versions"]["items"]
    for side in Side:
        name = version["properties"]["evidence"]["properties"][side]["$ref"].rpartition("/")[2]
        told = json_of(block_form(blocks_of(3)[side][-1]))
        assert set(told) <= set(schemas[name]["properties"])
    traffic = json_of(block_form(blocks_of(3)[Side.ROWS][-1]))["traffic"]
    assert set(traffic) == set(schemas["TrafficForm"]["required"])
    assert traffic["ratio"] == traffic["rows_per_hour"] / traffic["reference_rows_per_hour"]


def json_of(form: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(form))
