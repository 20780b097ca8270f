"""Strategies: valid schemas, and rows and bodies that suit them or do not."""

from datetime import datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from taxi_schema.column import MAX_MEASURED_INTEGER, Column, FeatureType, Kind
from taxi_schema.names import is_category
from taxi_schema.reading import schema_of
from taxi_schema.rows import Row
from taxi_schema.schema import Schema

Document = dict[str, Any]

#: Schemas are large examples: a property needs some, in a fraction of a second.
few_examples = settings(max_examples=30)

#: Names that are hard on JSON, paths, labels or eyes, each valid.
POOL = (
    "a", "b2", "trip_distance", "PULocationID", "Größe", "語", "🚕", "a b", "-", "_id", "%s", "{}",
    '"', "'", "\\", "a/b", "0", "None", "n" * 64, "key$", "#", "<b>", "a,b", "nan",
)  # fmt: skip
TEXTS = st.sampled_from(["EWR", "a b", "é", "x" * 64, "語", "'", "1", " "]) | st.text(
    min_size=1, max_size=4
).filter(is_category)
ZONES = st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Chatham"])
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70)
    | st.sampled_from([0, 1, -1, 0.0, 1.0, 2**63, 10**400, -(2**63), "", "a\x1fb", "\ud800"])
)  # fmt: skip
#: What a decoded file or body can hold.
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)  # fmt: skip
_NUMBERS = st.floats(-1e6, 1e6) | st.integers(-1000, 1000)


def _limits(draw: Any, values: st.SearchStrategy[Any]) -> Document:
    low, high = sorted([draw(values), draw(values)])
    return {
        key: limit for key, limit in (("minimum", low), ("maximum", high)) if draw(st.booleans())
    }


def _integers(draw: Any) -> Document:
    shape = draw(st.sampled_from(["open", "limited", "closed"]))
    if shape == "closed":
        values = st.integers(0, 20) | st.integers(-MAX_MEASURED_INTEGER, MAX_MEASURED_INTEGER)
        return {"values": draw(st.lists(values, min_size=1, max_size=4, unique=True))}
    if shape == "limited":
        ends = st.integers(0, 300) | st.integers(-5, 10**12)
        return {"type": "integer", **_limits(draw, ends)}
    return {"type": "integer"}


def _strings(draw: Any) -> Document:
    if draw(st.booleans()):
        return {}
    return {"values": draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True))}


@st.composite
def _columns(draw: Any, name: str, role: str) -> Document:
    column = {"name": name, "role": role}
    kind = draw(st.sampled_from(["number", "integers", "strings", "boolean"]))
    if kind == "number":
        column |= {"kind": "number", "unit": "km", **_limits(draw, _NUMBERS)}
    elif kind == "boolean":
        column["kind"] = "boolean"
    else:
        column |= {"kind": "category", **(_integers(draw) if kind[0] == "i" else _strings(draw))}
    if draw(st.booleans()):
        column["nullable"] = draw(st.booleans())
    if draw(st.booleans()):
        column["drift"] = draw(st.sampled_from(["decides", "shown", "ignored"]))
    return column


@st.composite
def _slices(draw: Any, name: str, schema: Schema) -> Document | None:
    """Draw a slice of one of the columns; None where that has none."""
    column = draw(st.sampled_from(schema.columns))
    if column.drift == "ignored":
        return None
    if column.kind is Kind.NUMBER:
        bounds = draw(st.lists(_NUMBERS, min_size=1, max_size=4, unique=True))
        return {"name": name, "column": column.name, "bands": sorted(bounds)}
    values = draw(st.lists(values_of(column), min_size=1, max_size=4, unique=True))
    middle = len(values) // 2
    groups = {"a": values[:middle], "b": values[middle:]}
    return {
        "name": name, "column": column.name,
        "groups": {group: members for group, members in groups.items() if members},
    }  # fmt: skip


@st.composite
def documents(draw: Any) -> Document:
    """Draw a valid schema as its file has it."""
    names = draw(st.lists(st.sampled_from(POOL), min_size=7, max_size=11, unique=True))
    key, time, target, cross, hour, weekday, *others = names
    roles = ["input", *(draw(st.sampled_from(["input", "context"])) for _ in others[1:])]
    columns = [draw(_columns(name, role)) for name, role in zip(others, roles, strict=True)]
    document: Document = {"id": key, "columns": columns}
    document["target"] = {"name": target, **_limits(draw, _NUMBERS)}
    derived: Document = {}
    parts = [one["name"] for one in columns if one["kind"] != "number" and one["role"] == "input"]
    if len(parts) > 1 and draw(st.booleans()):
        derived[cross] = {"cross": parts[:4]}
    if draw(st.booleans()):
        document["event_time"] = {"name": time, "timezone": draw(ZONES)}
        derived |= {hour: {"hour_of": "event_time"}, weekday: {"weekday_of": "event_time"}}
    if derived:
        document["derived"] = dict(draw(st.permutations(list(derived.items()))))
    without = schema_of(document)
    slices = [draw(_slices(name, without)) for name in names[: draw(st.integers(0, 2))]]
    document["slices"] = [part for part in slices if part is not None]
    numbers = [column.name for column in without.inputs if column.kind is Kind.NUMBER]
    if numbers and draw(st.booleans()):
        document["fallback"] = {"monotonic": draw(st.sampled_from(numbers))}
    return document


def schemas() -> st.SearchStrategy[Schema]:
    """Draw valid schemas."""
    return documents().map(schema_of)


def values_of(column: Column) -> st.SearchStrategy[Any]:
    """Draw values that a request may send for a column, none missing."""
    if column.kind is Kind.BOOLEAN:
        return st.booleans()
    if column.values:
        return st.sampled_from(column.values)
    if column.type is FeatureType.STRING:
        return TEXTS
    if column.type is FeatureType.INTEGER:
        return st.integers(int(column.low), int(column.high))
    return st.floats(column.low, column.high)


def times() -> st.SearchStrategy[datetime]:
    """Draw local times of any year."""
    return st.datetimes()


@st.composite
def rows(draw: Any, schema: Schema) -> Row:
    """Draw a row that the schema's parser could have made, without undeclared fields."""
    values = [
        draw(st.none() | values_of(column) if column.nullable else values_of(column))
        for column in schema.columns
    ]
    key = draw(st.none() | st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True))
    moment = draw(st.none() | times()) if schema.event_time is not None else None
    return Row(tuple(values), key, moment)


def body_of(schema: Schema, row: Row) -> Document:
    """Return a body that makes this row."""
    names = [column.name for column in schema.columns]
    body: Document = {
        name: value
        for name, value in zip(names, row.values, strict=True)
        if value is not None
    }  # fmt: skip
    if schema.event_time is not None and row.event_time is not None:
        body[schema.event_time.name] = row.event_time.isoformat()
    if row.id is not None:
        body[schema.id] = row.id
    return body | (row.extra or {})


@st.composite
def edited(draw: Any, document: Document) -> Document:
    """Draw a schema's file after a few edits of its columns; it need not be valid."""
    result = {"id": document["id"], "target": document["target"]}
    if "event_time" in document:
        result["event_time"] = document["event_time"]
    columns = [dict(column) for column in document["columns"] if draw(st.integers(0, 3))]
    for column in columns:
        edit = draw(st.sampled_from(["", "", "nullable", "required", "limits", "values", "role"]))
        if edit in {"nullable", "required"}:
            column["nullable"] = edit == "nullable"
        elif edit == "role":
            column["role"] = "input"
        elif edit == "limits" and "minimum" in column:
            column["minimum"] += draw(st.sampled_from([-1, 1]))
        elif edit == "values" and "values" in column:
            column["values"] = column["values"][draw(st.integers(0, 1)) :]
    if draw(st.booleans()):
        columns.append({"name": "new", "kind": "number", "nullable": draw(st.booleans())})
    return result | {"columns": columns}


@st.composite
def wild_rows(draw: Any, schema: Schema) -> Document:
    """Draw a body of which some values are anything."""
    body = body_of(schema, draw(rows(schema)))
    names = [*body, schema.columns[0].name, schema.id, "undeclared"]
    changes = st.dictionaries(st.sampled_from(names), ANYTHING, max_size=3)
    result: Document = body | draw(changes)
    return result
