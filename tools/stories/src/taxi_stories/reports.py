"""Batch reports of a release: made by a Job of its CronJob, read from its monitor."""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import httpx

from taxi_domain.errors import FieldError, NotAvailableError, TaxiError
from taxi_domain.kube import REPORT
from taxi_domain.reports import report_id
from taxi_stories import parts
from taxi_stories.forwards import Forward, patient_get
from taxi_stories.jobs import job_of, wait_for_job
from taxi_stories.release import Release

PAGE: Final = "report.html"
DOCUMENT: Final = "report.json"
_MODEL_VARIABLE: Final = "TAXI_MODEL"
_MOMENT: Final = "%Y-%m-%dT%H:%M:%S+00:00"
_LENGTH: Final = re.compile(r"([1-9]\d{0,3})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_READ_SECONDS: Final = 30.0


class ReportError(TaxiError):
    """There is no report; the text says why."""


def saved_report(folder: Path) -> tuple[Path, Mapping[str, Any]]:
    """Return the page's path and the document of the report that was saved last.

    Raises:
        ReportError: there is none.
    """
    try:
        document = json.loads((folder / DOCUMENT).read_text())
    except (OSError, ValueError) as error:
        raise ReportError(
            f"{folder / DOCUMENT}: holds no report ({error}); `make demo` or `make collapse` makes "
            "the collapse's"
        ) from error
    return folder / PAGE, dict(document)


def span_of(last: str, now: datetime) -> tuple[datetime, datetime]:
    """Return begin and end of a length of time that ends now, in whole seconds.

    Raises:
        FieldError: the text is no length of time.

    >>> span_of("90m", datetime(2021, 3, 1, 1, 30, tzinfo=UTC))[0].isoformat()
    '2021-03-01T00:00:00+00:00'
    """
    found = _LENGTH.fullmatch(last)
    if not found:
        raise FieldError("--last", f"{last!r} is no length of time", "give 90m, 24h, 7d or 2w")
    end = now.replace(microsecond=0)
    return end - timedelta(**{_UNITS[found[2]]: int(found[1])}), end


def said(document: Mapping[str, Any]) -> list[str]:
    """Return what a report says in words: what is missing in it, then what happened."""
    return [*document["problems"], *document["words"]]


@dataclass(frozen=True, slots=True)
class Report:
    """A report as the monitor serves it.

    Attributes:
        page: HTML.
        document: The JSON document (docs/reports.md).
    """

    page: str
    document: Mapping[str, Any]

    def save(self, folder: Path) -> Path:
        """Write page and document into a folder; return the page's path."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DOCUMENT).write_text(json.dumps(self.document))
        (folder / PAGE).write_text(self.page)
        return folder / PAGE


def make_report(
    release: Release,
    start: datetime,
    end: datetime,
    *,
    env: Mapping[str, str] = MappingProxyType({}),
) -> Report:
    """Make the report of a span by a Job and read it from the monitor.

    Args:
        release: Whose; with `batchReport.enabled`.
        start: Begin of the span, whole seconds.
        end: Its end, whole seconds, not in the future.
        env: Settings that differ from those of the CronJob.

    Raises:
        ReportError: the release makes none.
        JobError: the Job failed or did not end in time.
        NotAvailableError: the monitor does not answer.
    """
    try:
        cron_job = parts.cron_job(release.kubectl, release.name, REPORT)
    except parts.PartError as error:
        raise ReportError(f"{error}; a release with batchReport.enabled makes reports") from error
    spec = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    told = {one["name"]: one.get("value") for one in spec["containers"][0]["env"]}
    identity = report_id(str(told[_MODEL_VARIABLE]), start, end)
    name = f"{cron_job['metadata']['name']}-{uuid.uuid4().hex[:8]}"
    arguments = [
        "run", f"--from={start.astimezone(UTC):{_MOMENT}}", f"--to={end.astimezone(UTC):{_MOMENT}}"
    ]  # fmt: skip
    release.kubectl.apply(job_of(cron_job, name, arguments, env))
    wait_for_job(release.kubectl, name)
    with release.monitor() as monitor:
        return read_report(monitor, identity)


def read_report(monitor: Forward, identity: str) -> Report:
    """Read a report from the monitor.

    Raises:
        ReportError: it has no such report.
        NotAvailableError: it does not answer.
    """
    document = _get(monitor, f"{identity}.json").json()
    return Report(_get(monitor, identity).text, document)


def _get(monitor: Forward, path: str) -> httpx.Response:
    try:
        answer = patient_get(monitor, f"/reports/{path}", timeout_seconds=_READ_SECONDS)
    except httpx.HTTPError as error:
        raise NotAvailableError(f"monitor: does not give the report ({error!r})") from error
    if answer.status_code != httpx.codes.OK:
        raise ReportError(f"monitor: {answer.status_code} for report {path}: {answer.text[:300]}")
    return answer
