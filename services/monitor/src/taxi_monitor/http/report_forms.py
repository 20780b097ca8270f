"""The forms of stored reports: JSON, and rows of the page that lists them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from taxi_domain.reports import DRIFT
from taxi_store.reports.report_runs import ReportRun
from taxi_store.reports.reports import ReportEntry

#: Height of the largest bar, in thresholds; what is above is cut.
_TOP: Final = 3.0
_LEAST: Final = 0.04


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A report in words for people.

    Attributes:
        report_id: For the links.
        span: Begin and end in the report's own time zone, and the zone.
        version: The version, or `all`.
        verdict: Its word.
        drift: Whether that is drift.
        score: Largest score over its threshold, empty without one.
        height: Of its bar, a share of the largest; a little also without a score.
        rows: With separators of thousands.
        took: How long it took.
        problems: How many things are missing.
        created: When it was made, in the same zone.
        has_html: Whether there is a page.
    """

    report_id: str
    span: str
    version: str
    verdict: str
    drift: bool
    score: str
    height: float
    rows: str
    took: str
    problems: int
    created: str
    has_html: bool


def row_of(entry: ReportEntry) -> ReportRow:
    """Return a report in words."""
    zone = _zone(entry.time_zone)
    score = entry.score
    return ReportRow(
        report_id=entry.report_id,
        span=f"{_local(entry.start, zone)} to {_local(entry.end, zone)} ({zone})",
        version=entry.version or "all",
        verdict=entry.verdict,
        drift=entry.verdict == DRIFT,
        score="" if score is None else f"{score:.2f}",
        height=max(_LEAST, min(score or 0.0, _TOP) / _TOP),
        rows=f"{entry.rows:,}",
        took=f"{entry.seconds:.1f} s",
        problems=entry.problems,
        created=_local(entry.created_at, zone),
        has_html=entry.has_html,
    )


@dataclass(frozen=True, slots=True)
class RunWords:
    """A run in words for people.

    Attributes:
        text: A sentence.
        failed: Whether it is bad news.
    """

    text: str
    failed: bool


def runs_in_words(run: ReportRun | None, scheduled: ReportRun | None) -> list[RunWords]:
    """Return what the last run did, and that of the schedule where it was another."""
    found = [] if run is None else [RunWords(f"Last run, {_told(run)}", bool(run.reason))]
    if scheduled is not None and not (run and _is_same(run, scheduled)):
        text = f"Last run of the schedule, {_told(scheduled)}"
        found.append(RunWords(text, bool(scheduled.reason)))
    return found


def _is_same(one: ReportRun, other: ReportRun) -> bool:
    return (one.report_id, one.started_at) == (other.report_id, other.started_at)


def _told(run: ReportRun) -> str:
    end = f", ended {_iso(run.finished_at)}" if run.finished_at else ""
    reason = f": {run.reason}" if run.reason else ""
    return f"of {run.report_id}: {run.state}{reason}; began {_iso(run.started_at)}{end}."


def list_form(
    model: str,
    entries: Sequence[ReportEntry],
    run: ReportRun | None,
    scheduled: ReportRun | None,
) -> dict[str, Any]:
    """Return the list of reports as JSON has it (times in UTC, durations in seconds)."""
    return {
        "model": model,
        "last_run": None if run is None else _run_form(run),
        "last_scheduled_run": None if scheduled is None else _run_form(scheduled),
        "reports": [_form(one) for one in entries],
    }


def _form(entry: ReportEntry) -> dict[str, Any]:
    zone = _zone(entry.time_zone)
    return {
        "id": entry.report_id, "version": entry.version,
        "from": _iso(entry.start), "to": _iso(entry.end), "time_zone": entry.time_zone,
        "local_from": _iso(entry.start, zone), "local_to": _iso(entry.end, zone),
        "verdict": entry.verdict, "score": entry.score, "rows": entry.rows,
        "problems": entry.problems, "seconds": entry.seconds,
        "created_at": _iso(entry.created_at), "has_html": entry.has_html,
    }  # fmt: skip


def _run_form(run: ReportRun) -> dict[str, Any]:
    return {
        "report": run.report_id, "state": str(run.state), "reason": run.reason or None,
        "started_at": _iso(run.started_at), "finished_at": _iso(run.finished_at),
        "succeeded_at": _iso(run.succeeded_at), "failed_at": _iso(run.failed_at),
    }  # fmt: skip


def _zone(name: str) -> tzinfo:
    """Return a zone by its name, UTC where this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC


def _local(moment: datetime, zone: tzinfo) -> str:
    return f"{_at(moment, zone):%Y-%m-%d %H:%M}"


def _iso(moment: datetime | None, zone: tzinfo = UTC) -> str | None:
    return None if moment is None else _at(moment, zone).isoformat(timespec="seconds")


def _at(moment: datetime, zone: tzinfo) -> datetime:
    """Return a moment in a zone, in UTC where the calendar ends before the zone's day does."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC)
