"""HTTP of the stored reports: a list, and each report as a page and as JSON.

A report is stored compressed and is sent as it is stored where the client takes gzip. Its page has
scripts of its own; the Content-Security-Policy keeps them from the network and from other pages.
"""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from flask import Blueprint, Response, render_template, request

from taxi_domain.errors import FieldError, NotAvailableError
from taxi_domain.reports import ReportPart
from taxi_monitor.http.access import Token
from taxi_monitor.http.page_templates import headed, render
from taxi_monitor.http.report_forms import list_form, row_of, runs_in_words
from taxi_monitor.http.report_readers import ReportReaders
from taxi_monitor.http.routes import Parts
from taxi_runtime.bodies import JSON
from taxi_runtime.doors import Door
from taxi_runtime.problems import ProblemError
from taxi_store.registry.entries import UnreadableEntryError
from taxi_store.reports.report_runs import ReportRun, latest_run
from taxi_store.reports.reports import (
    MAX_LISTED,
    ReportEntry,
    UnknownReportError,
    is_report_id,
    list_reports,
    load_report,
)

#: That of the page itself, which a contract test compares, and no frames around it.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_LISTED: Final = 100
_RETRY_SECONDS: Final = 5
#: A report that is larger when it is unpacked is given to those who unpack it themselves.
MAX_PLAIN_BYTES: Final = 32 * 1024 * 1024
#: Of all reports that are on their way to clients, which may take them slowly.
_MAX_HELD_BYTES: Final = 64 * 1024 * 1024
_HTML: Final = "text/html; charset=utf-8"
_CONTENT_TYPES: Final = {ReportPart.JSON: JSON, ReportPart.HTML: _HTML}
_LIMIT: Final = re.compile(r"[0-9]{1,6}")
_GZIP: Final = 31

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Listed:
    """What a list shows; a problem is told beside it."""

    entries: list[ReportEntry]
    run: ReportRun | None
    scheduled: ReportRun | None
    problem: str


class _Held:
    """Counts the bytes that wait for slow clients; used in the serving thread alone."""

    def __init__(self) -> None:
        self._bytes = 0

    def lend(self, response: Response, size: int) -> Response:
        """Take the room of an answer until it has left; one answer always has room.

        Raises:
            ProblemError: too much is on its way.
        """
        if self._bytes and self._bytes + size > _MAX_HELD_BYTES:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "report: too many are being sent at once; ask for it again later",
                retry_after=_RETRY_SECONDS,
            )
        self._bytes += size
        response.call_on_close(lambda: self._give_back(size))
        return response

    def _give_back(self, size: int) -> None:
        self._bytes -= size


def report_blueprint(parts: Parts) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("reports", __name__)
    held = _Held()
    readers = ReportReaders()

    @routes.get("/reports")
    @Door("readers", Token.READ)
    def page() -> Response:
        limit = _limit()
        return headed(readers.run(lambda: _list_page(parts, _listed(parts, limit))))

    @routes.get("/v1/reports")
    @Door("readers", Token.READ)
    def listed() -> Response:
        limit = _limit()
        found = readers.run(lambda: _listed(parts, limit))
        body = list_form(parts.model, found.entries, found.run, found.scheduled)
        return Response(
            msgspec.json.encode({**body, "problem": found.problem or None}), content_type=JSON
        )

    @routes.get("/reports/<report_id>.json")
    @Door("readers", Token.READ)
    def document(report_id: str) -> Response:
        return _part(parts, readers, held, report_id, ReportPart.JSON)

    @routes.get("/reports/<report_id>")
    @Door("readers", Token.READ)
    def report(report_id: str) -> Response:
        return _part(parts, readers, held, report_id, ReportPart.HTML)

    return routes


def accepts_gzip() -> bool:
    """Tell whether the client takes gzip (RFC 9110, 12.5.3)."""
    qualities = {coding.lower(): quality for coding, quality in request.accept_encodings}
    return float(qualities.get("gzip", qualities.get("*", 0))) > 0


def _listed(parts: Parts, limit: int) -> _Listed:
    entries = _read(lambda: list_reports(parts.database, parts.model, limit))
    try:
        run = _read(lambda: latest_run(parts.database, parts.model))
        scheduled = _read(lambda: latest_run(parts.database, parts.model, scheduled=True))
    except UnreadableEntryError as error:
        return _Listed(entries, None, None, str(error))
    return _Listed(entries, run, scheduled, "")


def _list_page(parts: Parts, found: _Listed) -> str:
    return render(
        "reports.html", model=parts.model, rows=[row_of(one) for one in found.entries],
        runs=runs_in_words(found.run, found.scheduled), problem=found.problem, root="",
    )  # fmt: skip


def _part(
    parts: Parts, readers: ReportReaders, held: _Held, report_id: str, part: ReportPart
) -> Response:
    """Answer with a part of a report, as the client takes it."""
    if not is_report_id(report_id):
        raise ProblemError(
            HTTPStatus.NOT_FOUND, "report: this is no id of one; /v1/reports lists what there is"
        )
    packed = accepts_gzip()
    data = readers.run(lambda: _loaded(parts, report_id, part, packed))
    if data is None:
        return _headed(Response(_without_page(report_id), content_type=_HTML))
    response = _headed(Response(data, content_type=_CONTENT_TYPES[part]))
    response.headers["Vary"] = "Accept-Encoding"
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    return held.lend(response, len(data))


def _loaded(parts: Parts, report_id: str, part: ReportPart, packed: bool) -> bytes | None:
    try:
        data = _read(lambda: load_report(parts.database, report_id, part))
    except UnknownReportError as error:
        raise ProblemError(HTTPStatus.NOT_FOUND, str(error)) from error
    except UnreadableEntryError as error:
        raise ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from error
    if data is None and part is ReportPart.JSON:
        raise _damaged(report_id)
    return data if packed or data is None else _plain(data, report_id)


def _plain(data: bytes, report_id: str) -> bytes:
    """Unpack, within a limit."""
    unpack = zlib.decompressobj(wbits=_GZIP)
    try:
        plain = unpack.decompress(data, MAX_PLAIN_BYTES)
    except zlib.error as error:
        raise _damaged(report_id) from error
    if unpack.unconsumed_tail:
        raise ProblemError(
            HTTPStatus.NOT_ACCEPTABLE,
            f"Accept-Encoding: the report has more than {MAX_PLAIN_BYTES} bytes; accept gzip",
        )
    if not unpack.eof:
        raise _damaged(report_id)
    return plain


def _damaged(report_id: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.INTERNAL_SERVER_ERROR, f"report {report_id}: is damaged; make it again"
    )


def _headed(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


def _without_page(report_id: str) -> str:
    return render_template("no_page.html", report_id=report_id)


def _read(read: Callable[[], Result]) -> Result:
    """Return what MongoDB has.

    Raises:
        ProblemError: MongoDB does not answer now.
    """
    try:
        return read()
    except NotAvailableError as error:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE, f"reports: cannot be read ({error}); ask again",
            retry_after=_RETRY_SECONDS,
        ) from error  # fmt: skip


def _limit() -> int:
    """Return how many reports are asked for.

    Raises:
        FieldError: it is no number within the limits.
    """
    text: Any = request.args.get("limit")
    if text is None:
        return _LISTED
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= MAX_LISTED:
        raise FieldError("limit", f"{text[:20]!r} is out of range", f"give 1 to {MAX_LISTED}")
    return int(text)
