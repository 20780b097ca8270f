"""A report as one JSON document: what `compare` found, in the order in which people read it.

`docs/reports.md` explains each part, `report.schema.json` describes the form.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from taxi_domain.reports import DRIFT, NO_DRIFT, NO_REFERENCE, NO_ROWS
from taxi_profiles.reference import TARGET, Reference
from taxi_report.compare.drift import QUANTILES, ColumnDrift, column_drift, verdict_of
from taxi_report.compare.influence import pushers
from taxi_report.compare.performance import (
    Performance,
    labels_of,
    limit_of,
    performance_of,
    timeline_of,
)
from taxi_report.compare.slices import slices_of, worst_slices
from taxi_report.compare.words import words_of
from taxi_report.profile.distinct import distinct_rows
from taxi_report.profile.layout import Layout
from taxi_report.profile.version import VersionProfile
from taxi_report.spans import Span
from taxi_report.subject import Subject
from taxi_schema.schema import Schema

FORMAT_VERSION: Final = 1

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """All that the report says of one version is computed from these.

    Attributes:
        layout: How its rows were profiled.
        reference: Its reference.
        expected: Profile of the reference's rows.
        current: Profile of the span.
        before: Profile of the span before, None without rows there.
    """

    layout: Layout
    reference: Reference
    expected: VersionProfile
    current: VersionProfile
    before: VersionProfile | None


@dataclass(frozen=True, slots=True)
class Served:
    """What is known of the whole span, whatever the version.

    Attributes:
        rows: Answered rows of the log.
        rows_before: Those of the span before; None where nobody looked: files have none.
        refused: Rows that the predictor refused, None when that is not known.
        unlogged: Rows that were answered and are not in the log, None when that is not known.
        unreadable: Documents that could not be read, by collection.
        unprofiled: Rows of versions that could not be profiled, by version, with the reason.
    """

    rows: int
    rows_before: int | None
    refused: int | None
    unlogged: int | None
    unreadable: Mapping[str, int]
    unprofiled: Mapping[str, tuple[int, str]]


def document_of(
    subject: Subject, served: Served, versions: Sequence[VersionFacts], problems: Sequence[str]
) -> Document:
    """Return the report.

    Args:
        subject: What it is about.
        served: Facts of the whole span.
        versions: Facts by version, most rows first.
        problems: What is missing, a sentence each.
    """
    span = subject.span
    parts = [_version(one, span) for one in versions]
    document: Document = _plain(
        {
            "format_version": FORMAT_VERSION,
            "id": subject.id,
            "model": subject.model,
            "version": subject.version,
            "span": {
                "from": span.start.isoformat(), "to": span.end.isoformat(),
                "time_zone": span.zone.key,
                "local_from": span.local(span.start), "local_to": span.local(span.end),
            },
            "verdict": _verdict(served, parts),
            "words": words_of(served, parts, whole=not problems),
            "problems": list(problems),
            "served": {
                **asdict(served),
                "unprofiled": {
                    name: {"rows": rows, "reason": reason}
                    for name, (rows, reason) in served.unprofiled.items()
                },
            },
            "versions": parts,
        }
    )  # fmt: skip
    return document


def _verdict(served: Served, parts: Sequence[Document]) -> str:
    """Return the worst verdict of any version, or why there is none."""
    found = [one["verdict"] for one in parts]
    for verdict in (DRIFT, NO_DRIFT):
        if verdict in found:
            return verdict
    if found:
        return str(found[0])
    return NO_REFERENCE if served.rows else NO_ROWS


def _version(facts: VersionFacts, span: Span) -> Document:
    layout, current = facts.layout, facts.current
    schema = layout.schema
    columns = (*layout.columns, layout.target)
    drifts = {
        one.name: column_drift(one, facts.reference, current, facts.expected, facts.before)
        for one in columns
    }
    found = performance_of(current)
    before = performance_of(facts.before) if facts.before else None
    rows, candidates = pushers(layout, facts.reference, current, list(drifts.values()))
    latency = current.latency
    distinct = min(distinct_rows(current.registers), current.rows)
    return {
        "model_version": layout.version,
        "rows": current.rows,
        "first": _iso(current.first),
        "last": _iso(current.last),
        "roles": dict(current.roles),
        "verdict": verdict_of(drifts),
        "without_event_time_ratio": None
        if schema.event_time is None
        else current.untimed / max(current.rows, 1),
        "duplicate_ratio": max(0.0, 1 - distinct / max(current.rows, 1)),
        "latency_seconds": latency.quantiles((0.5, 0.9, 0.99)) if latency.rows else [],
        "reference": {
            "rows": facts.reference.rows,
            "rmse": None if facts.reference.error is None else facts.reference.error.rmse,
            "performance": _performance(performance_of(facts.expected)),
        },
        "schema": _schema(schema),
        "target": TARGET,
        "target_limits": [schema.target.minimum, schema.target.maximum],
        "quantiles": list(QUANTILES),
        "columns": [_drift(one) for one in drifts.values()],
        "labels": asdict(labels_of(current)),
        "performance": _performance(found),
        "performance_before": _performance(before),
        "limit": None if found is None else _limit(facts),
        "timeline": {
            "bucket_seconds": layout.bucket,
            "buckets": [
                {**asdict(one), "start": _iso(one.start)}
                for one in timeline_of(current, layout.start, layout.bucket)
            ],
        },
        "slices": [asdict(one) for one in slices_of(layout, current, facts.expected)],
        "worst_slices": [asdict(one) for one in worst_slices(layout, current, facts.expected)],
        "uncrossed_pairs": layout.uncrossed,
        "pushers": {
            "candidates": candidates,
            "rows": [{**asdict(one), "ts": _iso(one.ts)} for one in rows],
        },
        "sample_rows": len(current.sample.rows),
    }


def _schema(schema: Schema) -> Document:
    time = schema.event_time
    return {
        "digest": schema.digest,
        "title": schema.title,
        "id": schema.id,
        "target": schema.target.name,
        "unit": schema.target.unit,
        "event_time": None if time is None else {"name": time.name, "time_zone": time.timezone},
        "columns": [
            {
                "name": column.name, "kind": column.kind, "type": column.type, "unit": column.unit,
                "role": column.role, "drift": column.drift,
            }
            for column in schema.columns
        ],
    }  # fmt: skip


def _drift(drift: ColumnDrift) -> Document:
    return {**asdict(drift), "score_ratio": drift.score_ratio, "drifted": drift.drifted}


def _performance(found: Performance | None) -> Document | None:
    return None if found is None else asdict(found)


def _limit(facts: VersionFacts) -> Document | None:
    limit = limit_of(facts.reference, facts.current)
    return None if limit is None else asdict(limit)


def _iso(seconds: float) -> str | None:
    if not math.isfinite(seconds):
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: what is not finite is null, numpy's numbers are plain."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    number = float(value)
    return number if math.isfinite(number) else None
