"""What a request may be, as JSON Schema."""

from typing import Any, Final

from taxi_domain.ids import ID_PATTERN
from taxi_schema.column import MAX_TEXT, Column, FeatureType, Kind
from taxi_schema.ordinary import example
from taxi_schema.schema import Schema
from taxi_schema.target import EventTime

#: Formats of the OpenAPI registry: without and with an offset.
LOCAL_TIME_FORMAT: Final = "date-time-local"
TIME_FORMAT: Final = "date-time"

JsonSchema = dict[str, Any]
_NULL: Final = {"type": "null"}
_PRINTABLE: Final = r"^[^\u0000-\u001f\u007f-\u009f]*$"


def body_schema(schema: Schema) -> JsonSchema:
    """Return the JSON Schema of a body; OpenAPI 3.1 takes it as it is."""
    properties = {column.name: _column(column) for column in schema.columns}
    if schema.event_time is not None:
        properties[schema.event_time.name] = _time(schema.event_time)
    properties[schema.id] = {
        "anyOf": [{"type": "string", "pattern": f"^{ID_PATTERN}$"}, {"type": "integer"}, _NULL],
        "description": "Your own id of the row.",
    }
    body: JsonSchema = {
        "type": "object",
        "required": [column.name for column in schema.columns if not column.nullable],
        "properties": properties,
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        "examples": [example(schema)],
    }
    return {**body, "title": schema.title} if schema.title else body


def _column(column: Column) -> JsonSchema:
    value = _value(column)
    result: JsonSchema = {"anyOf": [value, _NULL]} if column.nullable else value
    texts = [column.description, column.unit and f"Unit: {column.unit}."]
    description = " ".join(text for text in texts if text)
    return {**result, "description": description} if description else result


def _value(column: Column) -> JsonSchema:
    if column.kind is Kind.BOOLEAN:
        return {"type": "boolean"}
    if column.values:
        kind = "integer" if column.type is FeatureType.INTEGER else "string"
        return {"type": kind, "enum": list(column.values)}
    if column.type is FeatureType.STRING:
        return {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": _PRINTABLE}
    if column.type is FeatureType.INTEGER:
        return {"type": "integer", "minimum": column.low, "maximum": column.high}
    limits = {"minimum": column.minimum, "maximum": column.maximum}
    return {"type": "number", **{key: limit for key, limit in limits.items() if limit is not None}}


def _time(time: EventTime) -> JsonSchema:
    local = f"Without an offset it is {time.place} time."
    return {
        "anyOf": [
            {"type": "string", "format": LOCAL_TIME_FORMAT},
            {"type": "string", "format": TIME_FORMAT},
            _NULL,
        ],
        "description": f"{time.description} {local}".strip(),
    }
