"""JSON of how far the evidence is: what is known beside the verdict itself."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from taxi_monitor.evidence.view import Views
from taxi_monitor.settings import KnownEvent
from taxi_profiles.evidence import known_events as events_of


def with_evidence(
    drift: dict[str, Any], views: Views, events: Sequence[KnownEvent], now: datetime
) -> dict[str, Any]:
    """Return the form of all versions with `judging` of each.

    Args:
        drift: As `taxi_monitor.http.forms.drift` makes it.
        views: What is known of the versions.
        events: Known ones.
        now: The time, UTC.
    """
    lasting = [_event(one) for one in events if one.begin <= now < one.end]
    versions = [
        {**one, "judging": judging_of(views, one["model_version"], events)}
        for one in drift["versions"]
    ]
    return {**drift, "known_events": lasting, "versions": versions}


def judging_of(views: Views, version: str, events: Sequence[KnownEvent]) -> dict[str, Any] | None:
    """Return what is known of a version, None before it was looked at."""
    view = views.of(version)
    if view is None:
        return None
    calendar = [
        events_of.KnownEvent(one.name, one.begin.timestamp(), one.end.timestamp()) for one in events
    ]
    shown = {
        event.name
        for block in view.verdicts.values()
        for event in events_of.events_during(
            calendar, block.first_ts.timestamp(), block.last_ts.timestamp()
        )
    }
    return {
        "problem": view.problem or None,
        "kind": view.kind,
        "read_until": view.read_until and view.read_until.isoformat(timespec="milliseconds"),
        "blocks": {str(side): block.block + 1 for side, block in view.verdicts.items()},
        "state": {str(side): str(block.state) for side, block in view.verdicts.items()},
        "label_coverage_ratio": view.coverage,
        "labels_held": view.held
        and {
            "since": view.held.since.isoformat(timespec="milliseconds"),
            "coverage_ratio": view.held.ratio,
            "needed_ratio": view.held.needed,
        },
        "late_rows": view.late_rows,
        "late_labels": view.late_labels,
        "self_test": [
            {
                "shift": one.shift,
                "passed": one.passed,
                "blocks": one.blocks,
                "within": one.within,
            }
            for one in view.self_test
        ],
        # Those that the last blocks may show; they are told, and change nothing.
        "known_events": [_event(one) for one in events if one.name in shown],
    }


def _event(event: KnownEvent) -> dict[str, str]:
    return {"name": event.name, "from": event.begin.isoformat(), "to": event.end.isoformat()}
