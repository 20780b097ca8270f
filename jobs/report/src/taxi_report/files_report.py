"""The full report of files that never were in the log; it is not stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from taxi_domain.errors import FieldError
from taxi_report.collect.against import Against
from taxi_report.collect.against import against as read_against
from taxi_report.collect.file_rows import profile_files
from taxi_report.collect.files import Seen, Source, event_days, row_total
from taxi_report.document import Served, VersionFacts, document_of
from taxi_report.options import opened, settings_of
from taxi_report.profile.version import profile_of
from taxi_report.results import Compared, Rendered
from taxi_report.spans import Span
from taxi_report.steps import rendered
from taxi_report.subject import Subject

#: Rows of the samples behind Evidently's part of the page.
SAMPLE_ROWS: Final = 5000
#: Of the rows, at each end, that may lie outside of the span: some clocks are years off.
MAX_OUTSIDE_SHARE: Final = 0.001
#: Name of the model where nothing tells it.
_NO_MODEL: Final = "files"


@dataclass(frozen=True, slots=True)
class FilesRequest:
    """A report of files that is to be made.

    Attributes:
        data: Files and folders.
        against: What they are compared with.
        schema: File of the schema, None for the reference's own.
        prediction: Column of the predictions.
        model: Name of the model; empty for the reference's.
    """

    data: tuple[Path, ...]
    against: str
    schema: Path | None
    prediction: str
    model: str


def files_folder(request: FilesRequest, out: Path | None, log: Mapping[str, object]) -> Path:
    """Return where a report of files goes.

    Args:
        request: The report.
        out: Folder that was given.
        log: Options of reports of the log, by name.

    Raises:
        FieldError: an option is missing, or is of a report of the log.
    """
    for name, value in log.items():
        if value:
            raise FieldError(name, "is given beside --data", "leave it out: files have no span")
    if not request.against:
        raise FieldError("--against", "is missing", "name rows, an artifact or a version")
    if out is None:
        raise FieldError("--out", "is missing", "name a folder: reports of files are not stored")
    return out


def report_of_files(request: FilesRequest, *, with_html: bool) -> Rendered:
    """Make the report of files.

    Raises:
        FieldError: an option cannot be used.
        TaxiError: data, reference or schema cannot be read.
    """
    base = read_against(
        request.against, request.schema, request.prediction, lambda: opened(settings_of())
    )
    source = Source(request.data, base.schema, request.prediction)
    span, outside = _span(source)
    subject = Subject(request.model or base.model or _NO_MODEL, span, None)
    compared = _compared(subject, base, source, outside)
    return rendered(subject, compared, SAMPLE_ROWS, with_html=with_html)


def _compared(subject: Subject, base: Against, source: Source, outside: int) -> Compared:
    span = subject.span
    known = base.known((span.start.timestamp(), span.end.timestamp()), SAMPLE_ROWS)
    seen = Seen(source.schema)
    current = profile_files(source, known.layout, seen)
    expected = profile_of(known.rows, known.layout)
    facts = VersionFacts(known.layout, known.reference, expected, current, None)
    served = Served(
        rows=current.rows, rows_before=None, refused=seen.refused_rows, unlogged=None,
        unreadable={}, unprofiled={},
    )  # fmt: skip
    problems = [*_problems(seen, outside), *_of_reference(base, known.layout.unprofiled)]
    versions = [facts] if current.rows else []
    return Compared(
        document_of(subject, served, versions, problems), versions, [known] if versions else []
    )


def _problems(seen: Seen, outside: int) -> list[str]:
    problems = [f"{one}." for one in seen.problems()]
    problems += [
        f"{why.column}: {rows:,} rows refused: {why.reason}."
        for why, rows in sorted(seen.refused.items())
    ]
    if seen.ids.count:
        examples = ", ".join(seen.ids.examples)
        problems.append(f"{seen.ids.count:,} rows have an id that came before, such as {examples}.")
    if outside:
        problems.append(
            f"{outside:,} rows have an event time days away from all others; over time they are "
            "counted at its ends."
        )
    return problems


def _of_reference(base: Against, unprofiled: list[str]) -> list[str]:
    problems = [
        f"{name} has no value in the reference, so it is not compared." for name in unprofiled
    ]
    if base.rows is not None and len(base.rows) < base.total:
        problems.append(
            f"The reference is {len(base.rows):,} of {base.total:,} rows of {base.name}, chosen "
            "evenly."
        )
    return problems


def _span(source: Source) -> tuple[Span, int]:
    """Return the whole days that nearly all rows lie in, and how many rows do not.

    Rows of files without event times are taken to be a second apart, from 1970 on.
    """
    days = event_days(source)
    if not days:
        start = datetime.fromtimestamp(0, UTC)
        rows = max(row_total(source.paths), 1)
        return Span(start, start + timedelta(seconds=rows), ZoneInfo("UTC")), 0
    allowed = MAX_OUTSIDE_SHARE * sum(days.values())
    kept = _without_first(_without_first(list(days.items()), allowed)[::-1], allowed)[::-1]
    time = source.schema.event_time
    assert time is not None
    midnight = datetime(1970, 1, 1, tzinfo=time.zone)
    start, end = midnight + timedelta(days=kept[0][0]), midnight + timedelta(days=kept[-1][0] + 1)
    outside = sum(days.values()) - sum(rows for _, rows in kept)
    return Span(start.astimezone(UTC), end.astimezone(UTC), time.zone), outside


def _without_first(days: list[tuple[int, int]], allowed: float) -> list[tuple[int, int]]:
    """Return days without the first ones, as long as these have few rows."""
    rows, place = 0, 0
    while rows + days[place][1] <= allowed:
        rows += days[place][1]
        place += 1
    return days[place:]
