"""The steps of a report, each a function of what the one before it gave.

`taxi_report.plain` runs them one after the other; `taxi_report.flow` runs the same as tasks of
Prefect.
"""

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final

from taxi_domain.errors import NotAvailableError
from taxi_domain.mongodb import REPORTS
from taxi_report.collect.counters import Counters
from taxi_report.collect.merge import added
from taxi_report.collect.partition import known_to
from taxi_report.collect.reference import Known
from taxi_report.collect.run import Outcome, collect
from taxi_report.collect.workers import Workers
from taxi_report.document import Document, Served, VersionFacts, document_of
from taxi_report.profile.layout import Layout
from taxi_report.profile.sample import sample_of
from taxi_report.profile.version import profile_of
from taxi_report.request import Request
from taxi_report.results import Collected, Compared, Profiled, Rendered, Stored
from taxi_report.spans import Span
from taxi_report.subject import Subject
from taxi_runtime.patience import patiently
from taxi_store.admin.audit import Action
from taxi_store.admin.noting import Asked, note_done
from taxi_store.log.partitions import Key, Partition, plan
from taxi_store.reports import reports
from taxi_store.reports.reports import ReportContents, ReportEntry

logger = logging.getLogger(__name__)

_ASKED: Final = Asked("taxi-report", "a new report was stored")


def collect_rows(request: Request) -> Collected:
    """Find out where the rows are.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    settings, span = request.settings, request.subject.span
    tasks, before = (
        [
            request.task(one)(partition)
            for partition in plan(
                request.database, request.subject.model, one.start, one.end,
                max_rows=settings.partition_rows,
            )
        ]
        for one in (span, span.before)
    )  # fmt: skip
    collected = Collected(tasks, before)
    if settings.prometheus_url:
        counters = Counters(
            settings.prometheus_url, settings.prometheus_selector, settings.timeout_seconds
        )
        try:
            collected.refused, collected.unlogged = counters.refused(span), counters.unlogged(span)
        except NotAvailableError as error:
            collected.problems.append(f"What was refused or not logged is not known: {error}.")
    logger.info("%d partitions to read, %d of the span before", len(tasks), len(before))
    return collected


def profile_rows(
    request: Request,
    collected: Collected,
    workers: Workers,
    advance: Callable[[], None] = lambda: None,
) -> Profiled:
    """Read all rows and profile them.

    Raises:
        NotAvailableError: MongoDB or the workers were away for too long, or none of the span's
            partitions could be read.
    """
    current, before = (
        collect(
            tasks, workers, _layouts(request, span), advance=advance,
            patience_seconds=request.settings.patience_seconds,
        )
        for tasks, span in (
            (collected.tasks, request.subject.span),
            (collected.before, request.subject.span.before),
        )
    )  # fmt: skip
    if collected.tasks and len(current.failed) == len(collected.tasks):
        reason = next(iter(current.failed.values()))
        raise NotAvailableError(
            f"log: none of {len(collected.tasks)} partitions of the span could be read: {reason}"
        )
    logger.info("%d rows profiled", current.part.rows)
    return Profiled(collected, current, before)


def compare_rows(request: Request, profiled: Profiled) -> Compared:
    """Compare what was served with its references and with the span before."""
    part, before = profiled.current.part, profiled.before.part
    ordered, known, unprofiled = [], [], dict(part.unprofiled)
    for version, profile in sorted(part.profiles.items(), key=lambda one: (-one[1].rows, one[0])):
        brought = _known(request, request.subject.span, version)
        if isinstance(brought, Known):
            ordered.append((version, profile))
            known.append(brought)
        else:
            unprofiled[version] = added(unprofiled.get(version), profile.rows, brought)
    versions = [
        VersionFacts(
            layout=one.layout,
            reference=one.reference,
            # The reference's rows lie at other times: its own buckets of time say nothing.
            expected=profile_of(one.rows, one.layout),
            current=profile,
            before=before.profiles.get(version),
        )
        for one, (version, profile) in zip(known, ordered, strict=True)
    ]
    served = Served(
        rows=part.rows,
        rows_before=before.rows,
        refused=profiled.collected.refused,
        unlogged=profiled.collected.unlogged,
        unreadable=part.unreadable,
        unprofiled=dict(sorted(unprofiled.items())),
    )
    problems = [
        *profiled.collected.problems,
        *_missing("the span", profiled.current, len(profiled.collected.tasks)),
        *_missing("the span before", profiled.before, len(profiled.collected.before)),
        *(
            f"{rows:,} rows of version {version} were counted only: {reason}."
            for version, (rows, reason) in served.unprofiled.items()
        ),
        *(
            f"{rows:,} rows of version {version} in the span before were counted only: {reason}."
            for version, (rows, reason) in before.unprofiled.items()
            if version in part.profiles
        ),
    ]
    problems += [
        f"{column} of version {facts.layout.version} has no value in the reference, so it is not "
        "compared."
        for facts in versions
        for column in facts.layout.unprofiled
    ]
    document = document_of(request.subject, served, versions, problems)
    logger.info("compared with the references: %s", document["verdict"])
    return Compared(document, versions, known)


def render_report(request: Request, compared: Compared) -> Rendered:
    """Make the page and the JSON document; without a page that cannot be made."""
    return rendered(
        request.subject, compared, request.settings.sample_rows, with_html=request.with_html
    )


def rendered(
    subject: Subject, compared: Compared, sample_rows: int, *, with_html: bool
) -> Rendered:
    """Make the page and the JSON document; without a page that cannot be made.

    Args:
        subject: What the report is about.
        compared: All figures.
        sample_rows: Rows of the samples that Evidently's part is made of.
        with_html: Whether a page is made.
    """
    problems = list(compared.document["problems"])
    document = {**compared.document, "problems": problems}
    page: bytes | None = None
    snapshots: dict[str, bytes] = {}
    if with_html:
        try:
            page, snapshots = _page(subject, compared, document, sample_rows)
        except Exception as error:
            # All figures are there: they are worth more than their page.
            logger.exception("the page could not be made")
            problems.append(f"The page could not be made: {type(error).__name__}: {error}.")
    contents = ReportContents(json_of(document), page, snapshots)
    logger.info("rendered: %d bytes of JSON, %d of HTML", len(contents.json), len(page or b""))
    return Rendered(document, contents)


def _page(
    subject: Subject, compared: Compared, document: Document, sample_rows: int
) -> tuple[bytes | None, dict[str, bytes]]:
    """Return the page, and Evidently's snapshots; what these lack is added to the problems."""
    # Evidently takes seconds to import.
    from taxi_report.presets.run import run_presets
    from taxi_report.render.page import MAX_VERSIONS, page_of

    made = {}
    for facts, known in list(zip(compared.versions, compared.known, strict=True))[:MAX_VERSIONS]:
        version = facts.layout.version
        runs = run_presets(
            facts.layout,
            facts.current.sample.rows,
            sample_of(known.rows, sample_rows).rows,
            timestamp=subject.span.end,
            metadata={"model": subject.model, "version": version, "report": subject.id},
        )
        made[version] = runs.snapshots
        document["problems"] += [f"Version {version}, {one}." for one in runs.problems]
    snapshots = {
        snapshot_name(version, preset): snapshot.dumps().encode()
        for version, presets in made.items()
        for preset, snapshot in presets.items()
    }
    return page_of(document, made), snapshots


def snapshot_name(version: str, preset: str) -> str:
    """Return under which name a snapshot is stored.

    >>> snapshot_name("0123456789ab", "data-drift")
    '0123456789ab_data-drift'
    """
    return f"{version}_{preset}"


def json_of(document: Document) -> bytes:
    """Return the JSON document: the same report gives the same bytes."""
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()


def store_report(request: Request, rendered: Rendered) -> Stored:
    """Store a report and remove old ones.

    Raises:
        ReportTooLargeError: MongoDB cannot hold it.
        StoreUnavailableError: MongoDB does not answer.
    """
    document, subject, settings = rendered.document, request.subject, request.settings
    scores = [
        one["score_ratio"]
        for version in document["versions"]
        for one in version["columns"]
        if one["decides"] and one["score_ratio"] is not None
    ]
    entry = ReportEntry(
        report_id=request.id,
        model=subject.model,
        version=subject.version,
        start=subject.span.start,
        end=subject.span.end,
        time_zone=subject.span.zone.key,
        verdict=document["verdict"],
        rows=document["served"]["rows"],
        score=max(scores, default=None),
        problems=len(document["problems"]),
        seconds=request.seconds,
        created_at=request.now,
    )
    left_out = reports.store_report(request.database, entry, rendered.contents)
    removed = reports.prune_reports(
        request.database, subject.model, keep_count=settings.keep_reports,
        keep_age=timedelta(days=settings.keep_days), now=request.now,
    )  # fmt: skip
    if removed:
        what = {"model": subject.model, "keep": settings.keep_reports, "days": settings.keep_days}
        note_done(request.database, Action.PRUNE, _ASKED, what, {REPORTS: len(removed)})
    logger.info("stored")
    return Stored(rendered, left_out)


def _missing(what: str, outcome: Outcome, count: int) -> list[str]:
    if not outcome.failed:
        return []
    reason = next(iter(outcome.failed.values()))
    return [
        f"{len(outcome.failed)} of {count} partitions of {what} could not be read, so their rows "
        f"are missing: {reason}."
    ]


def _layouts(request: Request, span: Span) -> Callable[[str], Layout | str]:
    def layout(version: str) -> Layout | str:
        known = _known(request, span, version)
        return known.layout if isinstance(known, Known) else known

    return layout


def _known(request: Request, span: Span, version: str) -> Known | str:
    """Return what a version brings along, or why it has nothing: workers found it, but before."""
    task = request.task(span)(Partition(request.subject.model, Key(span.end), Key(span.start)))
    return patiently(request.settings.patience_seconds, partial(known_to, task, version))
