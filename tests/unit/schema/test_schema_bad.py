"""Each bad schema is refused by the key that is wrong, with the problem and the remedy."""

from copy import deepcopy
from typing import Any

import pytest

from taxi_schema.errors import SchemaError
from taxi_schema.reading import schema_of

Document = dict[str, Any]
NUMBER: Document = {"name": "km", "kind": "number", "minimum": 0, "maximum": 100}
ZONE: Document = {"name": "zone", "kind": "category", "minimum": 1, "maximum": 265}
CITY: Document = {"name": "city", "kind": "category"}
FLAG: Document = {"name": "flag", "kind": "boolean"}
VALID: Document = {
    "id": "ride_id",
    "event_time": {"name": "start", "timezone": "America/New_York"},
    "target": {"name": "minutes", "minimum": 1, "maximum": 60},
    "columns": [NUMBER, ZONE, CITY, FLAG],
    "derived": {"pair": {"cross": ["zone", "city"]}, "hour": {"hour_of": "event_time"}},
    "slices": [{"name": "distance", "column": "km", "bands": [1, 3, 10]}],
    "fallback": {"monotonic": "km"},
}


def columns(**changes: Any) -> Document:
    """Return the columns with one of them changed, by its name; None removes a key."""
    result = deepcopy(VALID["columns"])
    for column in result:
        column.update(changes.get(column["name"], {}))
        for key in [key for key, value in column.items() if value is None]:
            del column[key]
    return {"columns": result}


def category(**keys: Any) -> Document:
    return {"columns": [NUMBER, {"name": "c", "kind": "category", **keys}], "derived": {}}


def target(**keys: Any) -> Document:
    return {"target": {"name": "minutes", **keys}}


def slices(**keys: Any) -> Document:
    return {"slices": [{"name": "s", **keys}]}


def derived(**function: Any) -> Document:
    return {"derived": {"d": function}}


BAD: list[tuple[Document, str, str, str]] = [
    # shape: keys and types
    ({"colums": []}, "colums", "is not a key", "did you mean columns?"),
    (columns(km={"minimun": 0}), "columns[0].minimun", "is not a key", "did you mean minimum?"),
    ({"columns": {"km": {}}}, "columns", "is a table, not an array", "give an array of tables"),
    ({"columns": ["km"]}, "columns[0]", "is a string, not a table", "give a table"),
    (columns(km={"kind": None}), "columns.km.kind", "is missing", "use one of number, category"),
    (columns(km={"kind": "float"}), "columns.km.kind", "'float'", "use one of number, category"),
    (columns(km={"role": "label"}), "columns.km.role", "'label'", "use one of input, context"),
    (columns(km={"drift": "warn"}), "columns.km.drift", "'warn'", "decides, shown, ignored"),
    (columns(km={"nullable": 1}), "columns.km.nullable", "is an integer", "give true or false"),
    (columns(km={"unit": 3}), "columns.km.unit", "is an integer", "give a string"),
    (columns(km={"unit": "x" * 65}), "columns.km.unit", "has 65 characters", "shorten it to 64"),
    (columns(km={"minimum": "0"}), "columns.km.minimum", "is a string", "give a number"),
    (columns(km={"name": None}), "columns[0].name", "is missing", "name the field"),
    ({"target": "minutes"}, "target", "is a string, not a table", "give a table"),
    ({"task": "classification"}, "task", "'classification'", "regression is the only one"),
    ({"title": "\ud800"}, "title", "is not valid Unicode", "remove the lone surrogate"),
    ({"event_time": "start"}, "event_time", "is a string", "give a table"),
    ({"derived": "hour"}, "derived", "is a string", "give a table"),
    ({"fallback": {"monotone": "km"}}, "fallback.monotone", "is not a key", "did you mean monot"),
    # names
    (columns(km={"name": ""}), "columns[0].name", "'' is not 1 to 64", "use a name of letters"),
    (columns(km={"name": "k" * 65}), "columns[0].name", "is not 1 to 64", "use a name of"),
    (columns(km={"name": "a.b"}), "columns[0].name", "has a dot", "use a name of letters"),
    (columns(km={"name": "$km"}), "columns[0].name", "begins with $", "use a name of letters"),
    (columns(km={"name": "a\0"}), "columns[0].name", "printable", "use a name of letters"),
    (columns(km={"name": "\ud800"}), "columns[0].name", "printable", "use a name of letters"),
    (columns(km={"name": " km"}), "columns[0].name", "ends with a space", "use a name of letters"),
    (columns(flag={"name": "km"}), "columns[3].name", "is the name of columns[0].name too", "its"),
    (columns(flag={"name": "minutes"}), "columns[3].name", "of target.name too", "own name"),
    (columns(flag={"name": "prediction"}), "columns[3].name", "is reserved", "use another name"),
    (columns(flag={"name": "event_time"}), "columns[3].name", "is reserved", "use another name"),
    ({"id": "body"}, "id", "is reserved", "such as body_value"),
    ({"id": "detail"}, "id", "is reserved", "such as detail_value"),
    (target(name="model_version"), "target.name", "is reserved", "use another name"),
    ({"id": "minutes"}, "target.name", "is the name of id too", "give each its own name"),
    ({"derived": {"a.b": {"hour_of": "event_time"}}}, "derived", "has a dot", "use a name"),
    ({"derived": {"km": {"hour_of": "event_time"}}}, "derived.km", "of columns[0].name", "own"),
    # columns
    ({"columns": []}, "columns", "has no input", "add [[columns]]"),
    ({"columns": [{**FLAG, "role": "context"}], "derived": {}, "slices": []}, "columns",
     "has no input", "add [[columns]] without role"),
    ({"columns": [*VALID["columns"], *({"name": f"c{i}", "kind": "number"} for i in range(61))]},
     "columns", "are 65, more than 64", "remove some"),
    (columns(km={"minimum": 101}), "columns.km.minimum", "is 101, more than maximum 100", "exch"),
    (columns(km={"minimum": float("nan")}), "columns.km.minimum", "up to 1e+100", "give a smaller"),
    (columns(km={"maximum": float("inf")}), "columns.km.maximum", "up to 1e+100", "or omit it"),
    (columns(km={"maximum": 10**400}), "columns.km.maximum", "up to 1e+100", "give a smaller"),
    (columns(km={"values": [1]}), "columns.km.values", "is not of a number", "remove values"),
    (columns(km={"type": "float"}), "columns.km.type", "is not of a number", "remove type"),
    (columns(flag={"maximum": 1}), "columns.flag.maximum", "is not of a boolean", "remove maxi"),
    (columns(flag={"unit": "km"}), "columns.flag.unit", "is not of a boolean", "remove unit"),
    (columns(zone={"minimum": 1.5}), "columns.zone.minimum", "not an integer", "give an integer"),
    (columns(zone={"maximum": 2**63}), "columns.zone.maximum", "not an integer of 64", "give an"),
    (columns(zone={"type": "string"}), "columns.zone.minimum", "of strings", "remove minimum"),
    (category(type="float"), "columns.c.type", "is 'float'", 'or kind = "number"'),
    (category(type="text"), "columns.c.type", "is 'text'", "use one of float, integer, string"),
    (category(values=[]), "columns.c.values", "is empty", "list the values, or remove it"),
    (category(values=[1, "a"]), "columns.c.values[1]", "'a', not an integer", "integers only"),
    (category(values=["a", 1]), "columns.c.values[1]", "is 1, not a string", "strings only"),
    (category(values=[1, True]), "columns.c.values[1]", "True, not an integer", "integers only"),
    (category(values=[1.0]), "columns.c.values[0]", "is 1.0, not a string", "give integers only"),
    (category(values=["a", "a"]), "columns.c.values[1]", "is there twice", "remove one"),
    (category(values=["a\x1fb"]), "columns.c.values[0]", "a\\x1fb", "none a control character"),
    (category(values=["a" * 65]), "columns.c.values[0]", "aaa", "give 1 to 64 characters"),
    (category(values=[2**63]), "columns.c.values[0]", "is 9223372036854775808", "of 64 bits"),
    (category(values=[1, 2], minimum=3), "columns.c.minimum", "exclude each other", "remove min"),
    (category(values=[1, 2], max_categories=1), "columns.c.values", "more than max_c", "raise max"),
    (category(max_categories=0), "columns.c.max_categories", "is 0", "from 1 to 100000"),
    (columns(km={"max_categories": 5}), "columns.km.max_categories", "of a number", "remove max"),
    # target and event time
    ({"target": {}}, "target.name", "is missing", "name the number to predict"),
    (category(values=[1, 2**53 + 1]), "columns.c.values", "beyond 2^53", "send strings"),
    (columns(zone={"maximum": 2**53 + 1}), "columns.zone.maximum", "beyond 2^53", "send strings"),
    (columns(zone={"minimum": -(2**60)}), "columns.zone.minimum", "beyond 2^53", "drift = \"ign"),
    (target(minimum=2, maximum=1), "target.minimum", "is 2, more than maximum 1", "exchange"),
    (target(label_minimum=2, label_maximum=1), "target.label_minimum", "is 2, more than", "exch"),
    (target(minimum=1, label_minimum=2), "target.label_minimum", "narrower than", "widen label"),
    (target(maximum=9, label_maximum=8), "target.label_maximum", "narrower than max", "give maxi"),
    (target(label_minimum=0), "target.label_minimum", "narrower than minimum", "give minimum = 0"),
    (target(minimum=float("-inf")), "target.minimum", "up to 1e+100", "or omit it"),
    (target(label_maximum=1e101), "target.label_maximum", "up to 1e+100", "give a smaller"),
    ({"event_time": {"name": "start", "timezone": "America/NewYork"}}, "event_time.timezone",
     "is no time zone", "did you mean America/New_York?"),
    ({"event_time": {"name": "start", "timezone": "/etc"}}, "event_time.timezone",
     "'/etc' is no time zone", "IANA database"),
    ({"event_time": {"name": "start", "timezone": ""}}, "event_time.timezone",
     "'' is no time zone", "IANA database"),
    ({"task": ""}, "task", "is ''", "regression is the only one"),
    ({"event_time": {}}, "event_time.name", "is missing", "name the field"),
    # derived features
    (derived(cross=["km", "zone"]), "derived.d.cross[0]", "km is a number", "cross different"),
    (derived(cross=["zone"]), "derived.d.cross", "has 1 columns", "name at least two"),
    (derived(cross="zone"), "derived.d.cross", "is a string", "an array of names of columns"),
    (derived(cross=["zone", "zone"]), "derived.d.cross[1]", "is there twice", "cross different"),
    (derived(cross=["zone", "cty"]), "derived.d.cross[1]", "'cty' is no column", "mean city?"),
    (derived(cross=["zone", 1]), "derived.d.cross[1]", "is an integer", "give the name of"),
    ({**columns(city={"role": "context"})}, "derived.pair.cross[1]", "is context", "are inputs"),
    (derived(hour_of="km"), "derived.d.hour_of", "is 'km'", 'write hour_of = "event_time"'),
    (derived(weekday_of="start"), "derived.d.weekday_of", "is 'start'", 'weekday_of = "event_ti'),
    (derived(), "derived.d", "has 0 functions", "give one of cross, hour_of, weekday_of"),
    (derived(hours_of="event_time"), "derived.d.hours_of", "is not a key", "mean hour_of?"),
    # slices
    (slices(column="kmm", bands=[1]), "slices.s.column", "'kmm' is no column", "did you mean km?"),
    (slices(bands=[1]), "slices.s.column", "is missing", "name the column"),
    ({**columns(km={"drift": "ignored"})}, "slices.distance.column", "is ignored", "shown"),
    (slices(column="zone", bands=[1]), "slices.s.bands", "zone is a category", "use groups"),
    (slices(column="pair", bands=[1]), "slices.s.bands", "pair is a category", "use groups"),
    (slices(column="km", groups={"a": [1]}), "slices.s.groups", "not a category", "use bands"),
    (slices(column="hour", groups={"a": [1]}), "slices.s.groups", "not a category", "use bands"),
    (slices(column="km", bands=[1, 1]), "slices.s.bands[1]", "is not above", "sort the bounds"),
    (slices(column="km", bands=[]), "slices.s.bands", "has 0 bounds", "give 1 to 64"),
    (slices(column="km", bands=["1"]), "slices.s.bands[0]", "is a string", "give a number"),
    (slices(column="km"), "slices.s", "has neither groups nor bands", "give one of them"),
    (slices(column="zone", groups={"a": [266]}), "slices.s.groups.a[0]", "266 is refused by zone",
     "group values that requests can have"),
    (slices(column="zone", groups={"a": [None]}), "slices.s.groups.a[0]", "(missing)", "group"),
    (slices(column="city", groups={"a": [1]}), "slices.s.groups.a[0]", "refused by city (type)",
     "group values"),
    (slices(column="zone", groups={"a": []}), "slices.s.groups.a", "is empty", "list its values"),
    (slices(column="zone", groups={"a": [1], "b": [1]}), "slices.s.groups.b[0]", "1 is in a alr",
     "put it in one group"),
    (slices(column="zone", groups={}), "slices.s.groups", "has no group", "give groups such as"),
    (slices(column="zone", groups="zones.csv"), "slices.s.groups", "names a file", "as a table"),
    ({"slices": [*VALID["slices"], *VALID["slices"]]}, "slices[1].name", "slices[0].name too",
     "give each its own name"),
    ({"slices": [{"name": "a=b", "column": "km", "bands": [1]}]}, "slices[0].name", "has =", "use"),
    # fallback
    ({"fallback": {"monotonic": "zone"}}, "fallback.monotonic", "'zone' is not a number", "km"),
    ({"fallback": {"monotonic": "kmm"}}, "fallback.monotonic", "is not a number", "mean km?"),
    ({**columns(km={"role": "context"})}, "fallback.monotonic", "an input", "median alone"),
]  # fmt: skip


def test_what_the_bad_schemas_are_made_of_is_valid() -> None:
    schema = schema_of(VALID)

    assert [feature.name for feature in schema.features] == [
        "km", "zone", "city", "flag", "pair", "hour",
    ]  # fmt: skip


def test_the_event_time_alone_may_be_called_so() -> None:
    schema = schema_of({**VALID, "event_time": {"name": "event_time"}})

    assert schema.event_time is not None
    assert schema.event_time.name == "event_time"


@pytest.mark.parametrize(("change", "key", "problem", "remedy"), BAD)
def test_a_bad_schema_names_key_problem_and_remedy(
    change: Document, key: str, problem: str, remedy: str
) -> None:
    with pytest.raises(SchemaError) as refusal:
        schema_of({**deepcopy(VALID), **change})

    assert refusal.value.key == key
    assert problem in refusal.value.problem
    assert remedy in refusal.value.remedy


@pytest.mark.parametrize("document", [None, [], "text", 3, {}])
def test_what_is_no_table_or_has_nothing_is_refused(document: object) -> None:
    with pytest.raises(SchemaError, match=r"(schema: is .* give a table|columns: has no input)"):
        schema_of(document)


def test_a_schema_needs_a_target() -> None:
    document = {key: value for key, value in VALID.items() if key != "target"}

    with pytest.raises(SchemaError, match=r"^target: is missing; add target"):
        schema_of(document)


def test_hour_of_needs_an_event_time() -> None:
    document = {key: value for key, value in VALID.items() if key != "event_time"}

    with pytest.raises(SchemaError, match=r"^derived\.hour\.hour_of: needs .*; add event_time"):
        schema_of(document)


@pytest.mark.parametrize("name", ["../zones.csv", "/etc/passwd", "a\0b"])
def test_a_file_of_groups_stands_beside_the_schema(name: str, tmp_path: Any) -> None:
    with pytest.raises(SchemaError, match=r"slices\.s\.groups: .* is outside of .*; put the file"):
        schema_of({**VALID, **slices(column="zone", groups=name)}, tmp_path)
