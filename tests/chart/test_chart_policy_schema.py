"""The resource's schema has the operator's bounds and defaults."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from support.chart import manifests, template

from taxi_operator.spec.addresses import MAX_URL
from taxi_operator.spec.bounds import DURATIONS, MAX_QUERY, MAX_SIGNALS, NUMBERS, SHARES
from taxi_operator.spec.policy import policy_of
from taxi_operator.spec.shape import SPEC, Group, Items, Leaf, Words

pytestmark = pytest.mark.chart

Schema = dict[str, Any]

LEAST: dict[str, Any] = {
    "target": {"deploymentName": "p", "activeServiceName": "s"},
    "prometheus": {"url": "http://prometheus:9090"},
    "signals": [
        {
            "name": "drift", "promql": "q",
            "enter": {"op": "GreaterOrEqual", "value": "1"},
            "exit": {"op": "Less", "value": "0.8"},
        }
    ],
    "evaluation": {},
    "retrain": {"jobFrom": {"cronJobName": "t"}, "attempts": {}, "pauseAfter": {}},
    "gate": {"champion": {}},
    "observation": {},
    "fallback": {"deploymentName": "f"},
}  # fmt: skip


@pytest.fixture(scope="module")
def spec() -> Schema:
    """Return the schema of a policy's spec."""
    (crd,) = (
        one for one in manifests(template()) if one["kind"] == "CustomResourceDefinition"
    )  # fmt: skip
    (version,) = crd["spec"]["versions"]
    found: Schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def leaves(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Return all fields below a schema that hold one value, by their path without lists."""
    if "items" in schema:
        yield from leaves(schema["items"], path)
    for name, child in schema.get("properties", {}).items():
        below = f"{path}.{name}" if path else name
        yield below, child
        yield from leaves(child, below)


def test_durations_have_the_operator_s_bounds(spec: Schema) -> None:
    found = {}
    for path, schema in leaves(spec):
        if "ms|s|m|h" in schema.get("pattern", ""):
            ((rule,),) = (schema["x-kubernetes-validations"],)
            found[path] = tuple(re.findall(r"duration\('(\w+)'\)", rule["rule"]))
            assert schema["maxLength"] <= 32

    assert found == dict(DURATIONS)


def test_numbers_have_the_operator_s_bounds(spec: Schema) -> None:
    found = {
        path: (schema.get("minimum"), schema.get("maximum"))
        for path, schema in leaves(spec)
        if schema.get("type") in {"integer", "number"}
    }

    assert found == dict(NUMBERS)


@pytest.mark.parametrize("text", ["0", "0.5", "0.02", "0.999", "0.9991", "1", "1.1", "0.4", "-1"])
def test_shares_have_the_operator_s_bounds(spec: Schema, text: str) -> None:
    fields = dict(leaves(spec))
    for path, (least, most) in SHARES.items():
        matched = re.fullmatch(fields[path]["pattern"], text) is not None

        assert matched is (least <= float(text) <= most), path


def test_lengths_have_the_operator_s_bounds(spec: Schema) -> None:
    fields = dict(leaves(spec))

    assert fields["signals"]["maxItems"] == MAX_SIGNALS
    assert fields["prometheus.url"]["maxLength"] == MAX_URL
    queries = {path: one for path, one in fields.items() if path.lower().endswith("promql")}
    assert len(queries) == 4
    assert {one["maxLength"] for one in queries.values()} == {MAX_QUERY}


def test_every_text_and_list_of_a_spec_is_bounded(spec: Schema) -> None:
    for path, schema in leaves(spec):
        if schema.get("type") == "array":
            assert "maxItems" in schema, path
        if schema.get("type") == "string":
            assert "maxLength" in schema or "enum" in schema, path


def filled(schema: Schema, given: Any) -> Any:
    """Return an object with the schema's defaults, as the API server fills them in."""
    if isinstance(given, list):
        return [filled(schema["items"], one) for one in given]
    if not isinstance(given, dict):
        return given
    known = schema.get("properties", {})
    defaults = {name: one["default"] for name, one in known.items() if "default" in one}
    return {
        name: filled(known.get(name, {}), value) for name, value in {**defaults, **given}.items()
    }


def test_defaults_are_the_operator_s(spec: Schema) -> None:
    whole = filled(spec, LEAST)

    assert whole["signals"][0]["enter"]["for"] == "5m"
    assert whole["signals"][0]["exit"]["for"] == "15m"
    assert policy_of(whole) == policy_of(LEAST)


def shape_of(schema: Schema) -> Any:
    """Return what `taxi-policy lint` knows of a part of the schema."""
    if "enum" in schema:
        return Words(tuple(schema["enum"]))
    match schema["type"]:
        case "object":
            fields = {name: shape_of(one) for name, one in schema["properties"].items()}
            return Group(fields, frozenset(schema.get("required", ())))
        case "array":
            return Items(shape_of(schema["items"]))
        case "integer":
            return Leaf.INTEGER
        case "string":
            return Leaf.TEXT
    raise AssertionError(schema["type"])


def test_lint_knows_the_fields_of_the_schema(spec: Schema) -> None:
    assert shape_of(spec) == SPEC
