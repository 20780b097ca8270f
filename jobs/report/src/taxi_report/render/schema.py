"""The JSON Schema of a report's document, for those who read reports by program."""

import json
from importlib.resources import files
from typing import Any


def report_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12); every field has a description."""
    text = files("taxi_report.render").joinpath("report.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
