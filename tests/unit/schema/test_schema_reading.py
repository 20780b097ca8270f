"""Schemas come back from their files, and any other document is refused by a SchemaError."""

import csv
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.schemas import ANYTHING, Document, documents, few_examples, schemas

from taxi_domain.metrics import PREDICTOR_FAILED, PREDICTOR_REFUSED
from taxi_schema.errors import SchemaError
from taxi_schema.features import derive
from taxi_schema.names import RESERVED
from taxi_schema.reading import read_schema, schema_of, schema_of_json, schema_of_toml
from taxi_schema.requests import RequestParser
from taxi_schema.schema import Schema

MODELS = Path(__file__).parents[3] / "models"


@few_examples
@given(schemas())
def test_a_schema_comes_back_from_its_json_with_the_same_digest(schema: Schema) -> None:
    back = schema_of_json(schema.to_json())

    assert back == schema
    assert back.features == schema.features
    assert back.digest == schema.digest
    assert back.to_json() == schema.to_json()
    document = json.loads(schema.to_json())
    assert schema.to_json().decode() == json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


@few_examples
@given(documents(), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter_but_for_derived_features(
    document: Document, random: Any
) -> None:
    def shuffled(value: Any, key: str = "") -> Any:
        if isinstance(value, list):
            return [shuffled(item) for item in value]
        if not isinstance(value, dict):
            return value
        keys = list(value)
        if key != "derived":
            random.shuffle(keys)
        return {name: shuffled(value[name], name) for name in keys}

    assert schema_of(shuffled(document)).digest == schema_of(document).digest


def _schema_or_refusal(document: object) -> tuple[Schema | None, SchemaError | None]:
    try:
        return schema_of(document), None
    except SchemaError as error:
        return None, error


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else (
        enumerate(value) if isinstance(value, list) else ()
    )  # fmt: skip
    return [path, *(deeper for key, item in inner for deeper in _paths(item, (*path, key)))]


@settings(max_examples=60)
@given(documents(), st.data())
def test_a_changed_schema_is_valid_or_refused_by_name(document: Document, data: Any) -> None:
    changed: Any = {"schema": deepcopy(document)}
    for _ in range(data.draw(st.integers(1, 2))):
        *path, key = data.draw(st.sampled_from(_paths(changed)[1:]))
        parent = changed
        for part in path:
            parent = parent[part]
        if data.draw(st.booleans()) or path == []:
            parent[key] = data.draw(ANYTHING)
        else:
            del parent[key]

    schema, refusal = _schema_or_refusal(changed["schema"])
    if schema is None:
        assert refusal is not None
        assert refusal.key
        assert refusal.remedy
        str(refusal).encode()
        return
    assert schema_of_json(schema.to_json()) == schema
    derive(schema)
    RequestParser(schema).json_schema()


@given(
    st.binary(max_size=50) | st.text(max_size=50).map(lambda text: text.encode(errors="replace"))
)
def test_any_bytes_are_a_schema_or_a_schema_error(data: bytes) -> None:
    for read in (schema_of_toml, schema_of_json):
        with pytest.raises(SchemaError):
            read(data)


@pytest.mark.parametrize(
    "data",
    [b"[" * 100_000, b'{"columns": ' * 100_000, b"a = " + b"[" * 100_000, b" " * (1 << 20) + b"1"],
    ids=["arrays", "objects", "toml", "long"],
)
def test_what_is_nested_without_end_or_too_long_is_refused(data: bytes) -> None:
    for read in (schema_of_toml, schema_of_json):
        with pytest.raises(SchemaError, match=r"schema: (is not|has)"):
            read(data)


def test_the_taxi_model_has_its_features() -> None:
    schema = read_schema(MODELS / "taxi_duration" / "schema.toml")

    assert [feature.name for feature in schema.features] == [
        "PULocationID", "DOLocationID", "trip_distance", "PU_DO", "hour", "weekday",
    ]  # fmt: skip
    assert (schema.target.minimum, schema.target.label_maximum) == (1.0, 1440.0)
    assert schema.fallback.monotonic == "trip_distance"
    assert schema_of_json(schema.to_json()) == schema


def test_the_taxi_zones_have_their_boroughs() -> None:
    with (MODELS / "taxi_duration" / "zones.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]

    assert [int(zone) for zone, _ in rows] == list(range(1, 266))
    boroughs = dict(rows)
    assert (boroughs["1"], boroughs["132"], boroughs["265"]) == ("Newark", "Queens", "unknown")
    assert len(set(boroughs.values())) == 7


def test_the_flight_model_has_categories_of_strings() -> None:
    schema = read_schema(MODELS / "flight_delay" / "schema.toml")

    types = {feature.name: str(feature.type) for feature in schema.features}
    assert types == {
        "carrier": "string", "origin": "string", "dest": "string", "distance": "float",
        "dep_delay": "float", "route": "string", "hour": "float", "weekday": "float",
    }  # fmt: skip
    assert schema.target.clip(-500.0) == -120.0
    assert schema_of_json(schema.to_json()) == schema


def test_groups_of_a_file_and_inline_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("value,group\nb,late\na,early\nc,late\n")
    text = """
        target = { name = "y" }
        columns = [{ name = "x", kind = "category" }]
        slices = [{ name = "s", column = "x", groups = GROUPS }]
    """
    (tmp_path / "schema.toml").write_text(text.replace("GROUPS", '"groups.csv"'))
    inline = text.replace("GROUPS", '{ late = ["c", "b"], early = ["a"] }')

    schema = read_schema(tmp_path / "schema.toml")

    assert schema == schema_of_toml(inline.encode())
    groups = json.loads(schema.to_json())["slices"][0]["groups"]
    assert groups == {"early": ["a"], "late": ["b", "c"]}


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (None, "cannot be read"),
        ("value,group\nx\n", "line 2): has 1 columns"),
        ("value,group\nx,one\nx,two\n", "is in one already"),
        ("value,group\n", "has no group"),
        ('value,group\n"x', "is not CSV"),
    ],
)
def test_a_bad_file_of_groups_is_named(tmp_path: Path, content: str | None, fragment: str) -> None:
    if content is not None:
        (tmp_path / "groups.csv").write_text(content)
    document = {
        "target": {"name": "y"},
        "columns": [{"name": "x", "kind": "category"}],
        "slices": [{"name": "s", "column": "x", "groups": "groups.csv"}],
    }

    with pytest.raises(SchemaError) as refusal:
        schema_of(document, tmp_path)

    assert refusal.value.key.startswith("slices.s.groups")
    assert fragment in str(refusal.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"schema\.toml: cannot be read .* give the path"):
        read_schema(tmp_path / "schema.toml")


def test_no_name_is_a_fixed_reason_of_the_predictors_counters() -> None:
    columns = {"PULocationID", "DOLocationID", "trip_distance", "lpep_pickup_datetime", "ride_id"}
    words = {word for metric in (PREDICTOR_REFUSED, PREDICTOR_FAILED) for (word,) in metric.series}

    assert words - columns <= RESERVED
