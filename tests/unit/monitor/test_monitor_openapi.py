"""The OpenAPI document lists every door, by the names of the champion's schema."""

from typing import Any

import pytest
from support.taxi_columns import SCHEMA

from taxi_monitor.app import create_app
from taxi_monitor.http.event_log import EventLog
from taxi_monitor.http.openapi import document

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
