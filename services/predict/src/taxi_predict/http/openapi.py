"""The OpenAPI document of the predictor, made of what checks the requests and makes the answers."""

from typing import Any, Final

from msgspec.json import schema_components

from taxi_domain.fields import Schema
from taxi_domain.rides import RideFields
from taxi_predict.serving.predictions import Answer, Refusal, Serving
from taxi_runtime.problems import CONTENT_TYPE, Problem

_TEMPLATE: Final = "#/components/schemas/{name}"
_PROBLEMS: Final = {
    "400": "Not JSON.", "408": "The body did not come in time.", "413": "Too large.",
    "415": "Not application/json.", "422": "A field is missing or out of its limits.",
    "500": "The model has no finite answer.",
    "503": "No model yet, no room to log, or too many large bodies at once.",
}  # fmt: skip
_STATUS: Final[Schema] = {
    "type": "object", "required": ["status"], "properties": {"status": {"type": "string"}},
}  # fmt: skip


def document(fields: RideFields, batch_max_rides: int) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document.

    Args:
        fields: What checks a ride.
        batch_max_rides: Most rides of one batch.
    """
    ride = {"$ref": _TEMPLATE.format(name="Ride")}
    # An item that is no ride is answered in its place; the others of the batch are not lost.
    items = {"anyOf": [ride, {}]}
    rides = {"type": "array", "minItems": 1, "maxItems": batch_max_rides, "items": items}
    wrapped = {"type": "object", "required": ["rides"], "properties": {"rides": rides}}
    (answer, refusal, serving, problem), schemas = schema_components(
        (Answer, Refusal, Serving, Problem), ref_template=_TEMPLATE
    )
    answers = {"type": "array", "items": {"anyOf": [answer, refusal]}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "taxi-monitoring predictor", "version": "1"},
        "paths": {
            "/predict": {"post": _post("Predict one ride.", ride, answer, problem)},
            "/predict/batch": {
                "post": _post("Predict rides.", {"anyOf": [rides, wrapped]}, answers, problem)
            },
            "/v1/model": {"get": _get("What serves.", serving, problem)},
            "/healthz": {"get": _get("The process lives.", _STATUS, problem)},
            "/readyz": {"get": _get("The model is loaded.", _STATUS, problem)},
        },
        "components": {"schemas": {"Ride": fields.schema(), **schemas}},
    }


def _content(schema: Schema, kind: str = "application/json") -> dict[str, Any]:
    return {"content": {kind: {"schema": schema}}}


def _post(summary: str, body: Schema, answer: Schema, problem: Schema) -> dict[str, Any]:
    return {
        "summary": summary,
        "requestBody": {"required": True, **_content(body)},
        "responses": {
            "200": {"description": "Answered.", **_content(answer)},
            **{
                code: {"description": text, **_content(problem, CONTENT_TYPE)}
                for code, text in _PROBLEMS.items()
            },
        },
    }


def _get(summary: str, answer: Schema, problem: Schema) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {
            "200": {"description": "Yes.", **_content(answer)},
            "503": {"description": "Not yet.", **_content(problem, CONTENT_TYPE)},
        },
    }
