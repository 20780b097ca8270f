"""The OpenAPI document of the predictor, with the limits that the domain enforces."""

from typing import Any

from taxi_domain.rides import (
    DISTANCE,
    DROPOFF,
    MAX_RIDE_ID_LENGTH,
    MAX_TRIP_DISTANCE_MILES,
    MAX_ZONE,
    MIN_ZONE,
    PICKUP,
    PICKUP_AT,
    RIDE_ID,
)


def document(batch_max_rides: int) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    zone = {"type": "integer", "minimum": MIN_ZONE, "maximum": MAX_ZONE}
    ride_id = {"type": "string", "pattern": f"^[A-Za-z0-9._-]{{1,{MAX_RIDE_ID_LENGTH}}}$"}
    ride = {
        "type": "object",
        "required": [PICKUP, DROPOFF, DISTANCE],
        "properties": {
            PICKUP: {**zone, "description": "TLC zone where the ride begins."},
            DROPOFF: {**zone, "description": "TLC zone where the ride ends."},
            DISTANCE: {
                "type": "number", "minimum": 0, "maximum": MAX_TRIP_DISTANCE_MILES,
                "description": "Miles.",
            },
            PICKUP_AT: {
                "type": ["string", "null"],
                "description": "Start of the ride, New York local time, without an offset.",
            },
            RIDE_ID: {
                "anyOf": [ride_id, {"type": "null"}], "description": "Your own id of the ride.",
            },
        },
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
    }  # fmt: skip
    answer = {
        "type": "object",
        "required": ["ride_id", "duration", "model_version"],
        "properties": {
            "ride_id": ride_id,
            "duration": {"type": "number", "minimum": 0, "description": "Minutes."},
            "model_version": {"type": "string"},
        },
    }
    refusal = {
        "type": "object",
        "required": ["index", "field", "detail"],
        "properties": {
            "index": {"type": "integer"}, "field": {"type": "string"}, "detail": {"type": "string"},
        },
    }  # fmt: skip
    problem = {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"}, "title": {"type": "string"},
            "status": {"type": "integer"}, "detail": {"type": "string"},
            "field": {"type": "string"},
        },
    }  # fmt: skip
    items = {"anyOf": [_reference("Answer"), _reference("Refusal")]}
    rides = {
        "type": "array",
        "minItems": 1,
        "maxItems": batch_max_rides,
        "items": _reference("Ride"),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "taxi-monitoring predictor", "version": "1"},
        "paths": {
            "/predict": {
                "post": _post("Predict one ride.", _reference("Ride"), _reference("Answer"))
            },
            "/predict/batch": {
                "post": _post("Predict many rides.", rides, {"type": "array", "items": items})
            },
            "/v1/model": {"get": _get("What serves.")},
            "/healthz": {"get": _get("The process lives.")},
            "/readyz": {"get": _get("The model is loaded.")},
        },
        "components": {
            "schemas": {"Ride": ride, "Answer": answer, "Refusal": refusal, "Problem": problem}
        },
    }


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    return {"content": {kind: {"schema": schema}}}


def _post(summary: str, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    problem = _content(_reference("Problem"), "application/problem+json")
    texts = {
        "400": "Not JSON.", "413": "Too large.", "415": "Not application/json.",
        "422": "A field is missing or out of its limits.",
        "503": "No model yet, or no room to log.",
    }  # fmt: skip
    return {
        "summary": summary,
        "requestBody": {"required": True, **_content(body)},
        "responses": {
            "200": {"description": "Answered.", **_content(answer)},
            **{code: {"description": text, **problem} for code, text in texts.items()},
        },
    }


def _get(summary: str) -> dict[str, Any]:
    content = _content({"type": "object"})
    unavailable = {"description": "Not yet."}
    return {
        "summary": summary,
        "responses": {"200": {"description": "Yes.", **content}, "503": unavailable},
    }
