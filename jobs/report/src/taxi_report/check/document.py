"""The result of a check as one JSON document: the same input gives the same bytes."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from taxi_report.check.evaluation import Evaluated
from taxi_report.check.facts import Facts

FORMAT_VERSION: Final = 1
PASSED: Final = "conditions met"
FAILED: Final = "conditions not met"

Document = dict[str, Any]


def document_of(
    facts: Facts, reference: Document, data: Document, problems: Sequence[str],
    conditions: Sequence[Evaluated],
) -> Document:  # fmt: skip
    """Return the document.

    Args:
        facts: What the conditions were evaluated by.
        reference: What the data is compared with.
        data: What the data is.
        problems: What could not be read, a sentence each.
        conditions: All conditions.
    """
    schema, counted = facts.known.layout.schema, facts.counted
    return {
        "format_version": FORMAT_VERSION,
        "verdict": FAILED if any(one.is_bad for one in conditions) else PASSED,
        "schema": {"digest": schema.digest, "title": schema.title, "target": schema.target.name},
        "reference": reference,
        "data": data,
        "rows": {
            "read": counted.rows,
            "compared": facts.current.rows,
            "labelled": facts.current.labelled,
            "refused": counted.refused_rows,
            "refusals": [
                {"column": why.column, "reason": str(why.reason), "rows": rows}
                for why, rows in sorted(counted.refused.items())
            ],
            "doubled_ids": counted.doubled_ids,
            "doubled_examples": list(counted.examples),
            "without_id": counted.without_id,
        },
        "problems": list(problems),
        "conditions": [
            {**asdict(one), "state": str(one.state), "failed": one.is_bad} for one in conditions
        ],
    }


def json_of(document: Document) -> bytes:
    """Return the JSON document; the same check gives the same bytes."""
    return (json.dumps(document, allow_nan=False, indent=1) + "\n").encode()
