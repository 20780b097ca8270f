"""Log lines are JSON with what was said, and without what libraries hang onto records."""

import json
import logging

from taxi_domain.logs import JsonFormatter


def test_line_has_the_phrase_and_the_extra_fields() -> None:
    record = logging.makeLogRecord(
        {"msg": "model is %s", "args": ("loaded",), "levelname": "INFO", "name": "taxi"}
    )
    record.version = "abc"
    record.settings = object()

    line = json.loads(JsonFormatter().format(record))

    assert (line["message"], line["version"], line["level"]) == ("model is loaded", "abc", "info")
    assert "settings" not in line
