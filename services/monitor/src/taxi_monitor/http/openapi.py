"""The OpenAPI document of the monitor: what its doors take, by the champion's schema.

What is taken and refused is decided where it is read; a test sends what this document says, and
what it does not say, and holds the answers to it.
"""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response
from msgspec import Struct
from msgspec.json import schema_components

from taxi_domain.ids import ID_PATTERN
from taxi_domain.models import Alias
from taxi_domain.numbers import MAX_NUMBER
from taxi_domain.records import MAX_PUSHED
from taxi_domain.verdicts import Side
from taxi_monitor.events.cloudevents import BATCHED, MAX_ATTRIBUTE, MAX_EVENT_ID, STRUCTURED, TYPES
from taxi_monitor.http.access import Token
from taxi_monitor.http.event_routes import MAX_EVENTS
from taxi_monitor.http.routes import Parts, json_of
from taxi_monitor.http.verdict_forms import BlockForm
from taxi_monitor.http.verdict_routes import VERDICT_PARAMETERS, VerdictsForm
from taxi_runtime.bodies import JSON
from taxi_runtime.doors import Door
from taxi_runtime.problems import CONTENT_TYPE, Problem
from taxi_schema.request_schema import JsonSchema, body_schema
from taxi_schema.schema import Schema
from taxi_store.log.pending import Half
from taxi_store.reports.reports import MAX_LISTED

_TEMPLATE: Final = "#/components/schemas/{name}"
_NUMBER_OR_NULL: Final = {"type": ["number", "null"]}
_POST_PROBLEMS: Final = {
    "400": "Not JSON.", "401": "No token that is known.", "403": "A token of another door.",
    "408": "The body did not come in time.", "413": "Too large, or too many items.",
    "415": "Another content type.", "422": "No list of items, or an event that cannot be taken.",
    "503": "No model yet, MongoDB is away, or too much at once: post it again.",
}  # fmt: skip
_ANYTHING: Final[JsonSchema] = {}


class ItemRefusal(Struct):
    """An item that was not taken; the others were."""

    index: int
    field: str
    problem: str


class Taken(Struct):
    """What became of items; what was there before changes nothing."""

    accepted: int
    repeated: int
    refused: list[ItemRefusal]


class Corrections(Struct):
    """What became of corrections; `late` ones are of blocks that were judged already."""

    corrected: int
    unchanged: int
    late: int
    refused: list[ItemRefusal]


class Events(Struct):
    """What became of a batch of events."""

    taken: int
    repeated: int
    ignored: int
    refused: list[ItemRefusal]


def openapi_blueprint(parts: Parts) -> Blueprint:
    """Return the route."""
    routes = Blueprint("openapi", __name__)

    @routes.get("/openapi.json")
    @Door("readers", Token.READ)
    def openapi() -> Response:
        return json_of(parts.readers.run(lambda: document(parts.state.schema_of(Alias.CHAMPION))))

    return routes


def document(schema: Schema | None) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document.

    Args:
        schema: Of the champion; without one rows and labels are objects of any kind.
    """
    found, schemas = schema_components(
        (Taken, Corrections, Events, VerdictsForm, Problem), ref_template=_TEMPLATE
    )
    taken, corrections, _, verdicts, problem = found
    schemas |= {
        "Record": _record(), "Row": _row(schema), "Label": _label(schema),
        "Versions": _versions(),
    }  # fmt: skip
    record, row, label, versions = (
        {"$ref": _TEMPLATE.format(name=name)} for name in ("Record", "Row", "Label", "Versions")
    )

    def post(summary: str, token: Token, name: str, item: JsonSchema, answer: JsonSchema) -> Any:
        return _post(summary, token, {JSON: _list_of(name, item)}, answer, problem)

    paths: dict[str, Any] = {
        "/v1/predictions": post(
            "Records of this project's predictors, which write the log themselves; also as BSON "
            "documents one after the other (application/bson).",
            Token.INGEST, "records", record, taken,
        ),
        "/v1/records": post(
            "Records of a predictor of one's own: logged, and then in the windows.",
            Token.INGEST, "records", record, taken,
        ),
        "/v1/rows": post(
            "Rows that nobody predicts: in a window of their own.",
            Token.INGEST, "rows", row, taken,
        ),
        "/v1/events": _post(
            "A CloudEvent of an inference logger, in structured mode; in binary mode its "
            "attributes are headers and the body has any type. The answer is empty. A batch "
            f"({BATCHED}, at most {MAX_EVENTS}) is answered with `Events`.",
            Token.INGEST, {STRUCTURED: _event_schema()}, None, problem,
        ),
        "/v1/labels": post(
            "True values of rows; the first label of a row stays.",
            Token.LABELS, "labels", label, taken,
        ),
        "/v1/labels/corrections": post(
            "Other values of labels that are there; what they were is kept.",
            Token.LABELS, "labels", label, corrections,
        ),
        "/v1/drift": _get("The latest verdict of every version.", versions, problem),
        "/v1/performance": _get("The latest error of every version.", versions, problem),
        "/v1/verdicts": _get(
            "Judged blocks of a version.", verdicts, problem, VERDICT_PARAMETERS
        ),
        "/v1/reports": _get("Reports, the newest first.", _reports(), problem, _limit()),
        "/reports/{report_id}.json": _get(
            "One report.", {"type": "object"}, problem, _report_id(), "404", "406", "500"
        ),
    }  # fmt: skip
    return {
        "openapi": "3.1.0",
        "info": {"title": (schema and schema.title) or "taxi-monitoring monitor", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {str(one): {"type": "http", "scheme": "bearer"} for one in Token},
        },
    }


def _list_of(name: str, item: JsonSchema) -> JsonSchema:
    # An item that is none is refused by its index; the others are taken.
    items = {"type": "array", "maxItems": MAX_PUSHED, "items": {"anyOf": [item, _ANYTHING]}}
    return {"type": "object", "required": [name], "properties": {name: items}}


def _record() -> JsonSchema:
    text = {"type": "string", "minLength": 1}
    scalars = {
        "type": "object",
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
    }
    return {
        "type": "object",
        "required": ["_id", "ts", "model", "model_version", "model_role", "inputs", "prediction"],
        "properties": {
            "_id": {"type": "string", "pattern": f"^{ID_PATTERN}$"},
            "ts": {"type": "string", "description": "Time of the answer, with its offset."},
            "event_time": {
                "type": ["string", "null"],
                "description": "Local time in the schema's zone, without an offset.",
            },
            "model": text,
            "model_version": text,
            "model_role": {"enum": [str(alias) for alias in Alias]},
            "inputs": scalars,
            "prediction": {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
            "latency_seconds": _NUMBER_OR_NULL,
            "extra": scalars,
            "shadow": {
                "type": "array",
                "items": {
                    "type": "object", "required": ["model_version", "prediction"],
                    "properties": {"model_version": text, "prediction": {"type": "number"}},
                },
            },
        },
    }  # fmt: skip


def _row(schema: Schema | None) -> JsonSchema:
    if schema is None:
        return {"type": "object"}
    body = body_schema(schema)
    return {**body, "required": [*body["required"], schema.id]}


def _label(schema: Schema | None) -> JsonSchema:
    if schema is None:
        return {"type": "object"}
    target = schema.target
    limits = {"minimum": target.label_minimum, "maximum": target.label_maximum}
    value = {key: limit for key, limit in limits.items() if limit is not None}
    return {
        "type": "object",
        "required": [schema.id, target.name],
        "properties": {
            schema.id: {"type": "string", "pattern": f"^{ID_PATTERN}$"},
            target.name: {"type": "number", **value},
        },
    }


def _event_schema() -> JsonSchema:
    lists = {Half.REQUEST: ("instances", "inputs"), Half.RESPONSE: ("predictions", "outputs")}
    some = {"type": "array", "minItems": 1, "maxItems": MAX_PUSHED}
    bodies = {
        half: [{"type": "object", "required": [name], "properties": {name: some}} for name in names]
        for half, names in lists.items()
    }
    halves = [_event({"const": kind}, {"anyOf": bodies[half]}) for kind, half in TYPES.items()]
    other = {"type": "string", "not": {"enum": [*TYPES]}, "description": "Is passed over."}
    return {"anyOf": [*halves, _event(other, None)]}


def _event(kind: JsonSchema, data: JsonSchema | None) -> JsonSchema:
    return {
        "type": "object",
        "required": ["specversion", "id", "type", "source", *(["data"] if data else [])],
        "properties": {
            "specversion": {"type": "string", "pattern": r"^1\."},
            "id": {"type": "string", "pattern": rf"^[^\u0000]{{1,{MAX_EVENT_ID}}}$"},
            "type": kind,
            "source": {"type": "string"},
            "time": {"type": ["string", "null"], "format": "date-time"},
            "inferenceservicename": {
                "type": ["string", "null"], "description": "That of this monitor.", "maxLength": 0,
            },
            "endpoint": {"type": ["string", "null"], "maxLength": MAX_ATTRIBUTE},
            "modelversion": {
                "type": ["string", "null"], "description": "A version of the registry.",
                "maxLength": MAX_ATTRIBUTE,
            },
            **({"data": data, "data_base64": False} if data else {}),
        },
    }  # fmt: skip


def _versions() -> JsonSchema:
    block = _TEMPLATE.format(name=BlockForm.__name__)
    version = {
        "type": "object",
        "required": ["model_role", "model_version", "target", "unit", "evaluated_at"],
        "properties": {
            "model_role": {"type": "string"},
            "model_version": {"type": "string"},
            "evaluated_at": {"type": ["string", "null"]},
            "evidence": {
                "type": ["object", "null"],
                "description": "Of `/v1/drift`: the newest block of each side.",
                "properties": {str(side): {"$ref": block} for side in Side},
            },
        },
    }
    return {
        "type": "object",
        "required": ["model", "problem", "versions"],
        "properties": {
            "model": {"type": "string"},
            "problem": {"type": ["string", "null"]},
            "versions": {"type": "array", "items": version},
        },
    }


def _reports() -> JsonSchema:
    return {
        "type": "object",
        "required": ["model", "reports", "problem"],
        "properties": {"reports": {"type": "array", "items": {"type": "object"}}},
    }


def _limit() -> tuple[JsonSchema, ...]:
    schema = {"type": "integer", "minimum": 1, "maximum": MAX_LISTED}
    return ({"name": "limit", "in": "query", "required": False, "schema": schema},)


def _report_id() -> tuple[JsonSchema, ...]:
    schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}
    return ({"name": "report_id", "in": "path", "required": True, "schema": schema},)


def _content(kind: str, schema: JsonSchema) -> JsonSchema:
    return {"content": {kind: {"schema": schema}}}


def _post(
    summary: str,
    token: Token,
    bodies: Mapping[str, JsonSchema],
    answer: JsonSchema | None,
    problem: JsonSchema,
) -> dict[str, Any]:
    content = {} if answer is None else _content(JSON, answer)
    return {
        "post": {
            "summary": summary,
            "security": [{str(token): []}],
            "requestBody": {
                "required": True,
                "content": {kind: {"schema": schema} for kind, schema in bodies.items()},
            },
            "responses": {
                "200": {"description": "Taken.", **content},
                **_problems(problem, _POST_PROBLEMS),
            },
        }
    }


def _get(
    summary: str,
    answer: JsonSchema,
    problem: JsonSchema,
    parameters: tuple[JsonSchema, ...] = (),
    *codes: str,
) -> dict[str, Any]:
    texts = {
        "401": _POST_PROBLEMS["401"], "403": _POST_PROBLEMS["403"], "404": "There is none.",
        "406": "Too large for those who take no gzip.", "414": "The address is too long.",
        "422": "A parameter is out of range.", "500": "It is damaged, or stuck.",
        "503": "Not now; ask again.",
    }  # fmt: skip
    wanted = ["401", "403", "503", *codes, *(["414", "422"] if parameters else [])]
    return {
        "get": {
            "summary": summary,
            # Where reading is closed it needs a token, too.
            "security": [{}, {str(Token.READ): []}],
            "parameters": list(parameters),
            "responses": {
                "200": {"description": "Yes.", **_content(JSON, answer)},
                **_problems(problem, {code: texts[code] for code in wanted}),
            },
        }
    }


def _problems(problem: JsonSchema, codes: Mapping[str, str]) -> dict[str, Any]:
    return {
        code: {"description": text, **_content(CONTENT_TYPE, problem)}
        for code, text in codes.items()
    }
