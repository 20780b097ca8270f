"""What happened to a model, as marks on its time axes: versions, decisions, reports, events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from taxi_monitor.page.charts.timeline import Mark
from taxi_monitor.page.words import moment
from taxi_store.registry.entries import AliasEntry, ModelEntry
from taxi_store.registry.runs import RunEntry
from taxi_store.reports.reports import ReportEntry

VERSION = "version"
DECISION = "decision"
REPORT = "report"
EVENT = "event"


class KnownEvent(Protocol):
    """A time that was declared as out of the ordinary: a holiday, an incident."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def begin(self) -> datetime:
        """Its begin, UTC."""
        ...

    @property
    def end(self) -> datetime:
        """Its end, UTC."""
        ...


@dataclass(frozen=True, slots=True)
class MarkRow:
    """A mark in the list below the charts; `number` stands at the mark, too."""

    number: int
    at: str
    kind: str
    text: str
    link: str


def marks_of(
    *,
    models: Sequence[ModelEntry] = (),
    aliases: Sequence[AliasEntry] = (),
    runs: Sequence[RunEntry] = (),
    reports: Sequence[ReportEntry] = (),
    events: Sequence[KnownEvent] = (),
) -> list[Mark]:
    """Return marks, oldest first."""
    marks = [
        Mark(
            one.created_at.timestamp(), None, VERSION,
            f"version {one.version} was made; {one.state}{f': {one.reason}' if one.reason else ''}",
        )
        for one in models
    ]  # fmt: skip
    marks += [
        Mark(
            one.moved_at.timestamp(), None, DECISION,
            f"{one.alias} moved to {one.version}"
            f"{f' from {one.previous}' if one.previous else ''}, by {one.moved_by}",
        )
        for one in aliases
    ]  # fmt: skip
    marks += [_run(one) for one in runs]
    marks += [
        Mark(
            one.start.timestamp(), one.end.timestamp(), REPORT,
            f"report: {one.verdict}, {one.rows:,} rows", f"reports/{one.report_id}",
        )
        for one in reports
    ]  # fmt: skip
    marks += [
        Mark(one.begin.timestamp(), one.end.timestamp(), EVENT, f"known event: {one.name}")
        for one in events
    ]
    return sorted(marks, key=lambda one: (one.at, one.kind, one.text))


def mark_rows(marks: Sequence[Mark], low: float, high: float) -> list[MarkRow]:
    """Return the marks of a span as rows, the newest first, with their numbers on the charts."""
    rows = []
    for place, mark in enumerate(marks, 1):
        end = mark.at if mark.until is None else mark.until
        if end < low or mark.at > high:
            continue
        at = moment(mark.at) if mark.until is None else f"{moment(mark.at)} to {moment(mark.until)}"
        rows.append(MarkRow(place, at, mark.kind, mark.text, mark.link))
    return rows[::-1]


def _run(run: RunEntry) -> Mark:
    at = run.finished_at or run.started_at
    text = f"{run.kind} {run.run_id}: {run.result}"
    if run.candidate:
        text += f", candidate {run.candidate}"
    if run.message:
        text += f" ({run.message})"
    return Mark(at.timestamp(), None, DECISION, text)
