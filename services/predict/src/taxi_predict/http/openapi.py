"""The OpenAPI document of the predictor, made of what checks the requests and makes the answers."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.json import schema_components

from taxi_predict.serving.answers import answer_schema
from taxi_predict.serving.loaded_model import LoadedModel
from taxi_predict.serving.predictions import Refusal, Serving
from taxi_runtime.problems import CONTENT_TYPE, Problem
from taxi_schema.request_schema import JsonSchema

#: The token of a door: that of any caller, where callers are asked for one.
TOKEN: Final = "caller"  # noqa: S105 - a name
_TEMPLATE: Final = "#/components/schemas/{name}"
_PROBLEMS: Final = {
    "400": "Not JSON.", "401": "No token of a caller.", "408": "The body did not come in time.",
    "413": "Too large.",
    "415": "Not application/json.", "422": "A field is missing or out of its limits.",
    "500": "The model has no finite answer.",
    "503": "No model yet, no room to log, or too many large bodies at once.",
}  # fmt: skip
#: Where callers are asked for a token, and where they are not.
_SECURITY: Final[tuple[JsonSchema, ...]] = ({}, {TOKEN: ()})


def document(model: LoadedModel, batch_max_rows: int) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document.

    Args:
        model: Checks rows and makes answers.
        batch_max_rows: Most rows of one batch.
    """
    row = {"$ref": _TEMPLATE.format(name="Row")}
    # An item that is no row is answered in its place; the others of the batch are not lost.
    items = {"anyOf": [row, {}]}
    rows = {"type": "array", "minItems": 1, "maxItems": batch_max_rows, "items": items}
    wrapped = {"type": "object", "required": ["rows"], "properties": {"rows": rows}}
    answer = {"$ref": _TEMPLATE.format(name="Answer")}
    (refusal, serving, problem), schemas = schema_components(
        (Refusal, Serving, Problem), ref_template=_TEMPLATE
    )
    schemas |= {"Row": model.parser.json_schema(), "Answer": answer_schema(model.schema)}
    answers = {"type": "array", "items": {"anyOf": [answer, refusal]}}
    return {
        "openapi": "3.1.0",
        "info": {"title": model.schema.title or "taxi-monitoring predictor", "version": "1"},
        "paths": {
            "/predict": {"post": _post("Predict one row.", row, answer, problem)},
            "/predict/batch": {
                "post": _post("Predict rows.", {"anyOf": [rows, wrapped]}, answers, problem)
            },
            "/v1/model": {"get": _get("What serves.", serving, problem)},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {TOKEN: {"type": "http", "scheme": "bearer"}},
        },
    }


def _content(schema: JsonSchema, kind: str = "application/json") -> dict[str, Any]:
    return {"content": {kind: {"schema": schema}}}


def _post(
    summary: str, body: JsonSchema, answer: JsonSchema, problem: JsonSchema
) -> dict[str, Any]:
    return {
        "summary": summary,
        "security": _SECURITY,
        "requestBody": {"required": True, **_content(body)},
        "responses": {
            "200": {"description": "Answered.", **_content(answer)},
            **_problems(problem, _PROBLEMS),
        },
    }


def _get(summary: str, answer: JsonSchema, problem: JsonSchema) -> dict[str, Any]:
    return {
        "summary": summary,
        "security": _SECURITY,
        "responses": {
            "200": {"description": "Yes.", **_content(answer)},
            **_problems(problem, {"401": _PROBLEMS["401"], "503": "Not yet."}),
        },
    }


def _problems(problem: JsonSchema, codes: Mapping[str, str]) -> dict[str, Any]:
    return {
        code: {"description": text, **_content(problem, CONTENT_TYPE)}
        for code, text in codes.items()
    }
