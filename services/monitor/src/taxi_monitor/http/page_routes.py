"""HTTP of the page: what a version says now and over time, without a script.

Threads of its own read MongoDB and lay the page out: a page of many columns would hold up every
other connection for as long as that takes.
"""

from collections.abc import Callable
from typing import Final

from flask import Blueprint, Response, request

from taxi_domain.errors import FieldError
from taxi_monitor.http.access import Token
from taxi_monitor.http.page_history import ALL, SPANS
from taxi_monitor.http.page_templates import STYLE, headed, style_sheet
from taxi_monitor.http.pages import Asked, Pages
from taxi_monitor.http.report_readers import ReportReaders
from taxi_runtime.doors import Door

#: Seconds between two loads that can be asked for; the page never does it unasked.
REFRESHES: Final = ("10", "30", "60", "300")
_YEAR: Final = 31_536_000


def page_blueprint(pages: Pages, readers: ReportReaders) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("page", __name__)

    def answer(make: Callable[[Asked], str]) -> Response:
        asked = _asked()
        return headed(readers.run(lambda: make(asked)), asked.refresh)

    @routes.get("/")
    @Door("readers", Token.READ)
    def overview() -> Response:
        return answer(pages.overview)

    @routes.get("/versions/<role>")
    @Door("readers", Token.READ)
    def version(role: str) -> Response:
        return answer(lambda asked: pages.version(role, asked))

    @routes.get("/versions/<role>/columns/<path:name>")
    @Door("readers", Token.READ)
    def column(role: str, name: str) -> Response:
        return answer(lambda asked: pages.column(role, name, asked))

    @routes.get(f"/{STYLE}")
    @Door("readers")
    def style() -> Response:
        response = Response(style_sheet(), content_type="text/css; charset=utf-8")
        response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
        return response

    return routes


def _asked() -> Asked:
    """Return what the request asks for.

    Raises:
        FieldError: it is none of what there is.
    """
    last, refresh = request.args.get("last", ALL), request.args.get("refresh", "")
    if last != ALL and last not in SPANS:
        raise FieldError("last", f"{last[:20]!r} is no span", f"give {', '.join(SPANS)} or {ALL}")
    if refresh and refresh not in REFRESHES:
        raise FieldError(
            "refresh", f"{refresh[:20]!r} is out of range", f"give {', '.join(REFRESHES)}"
        )
    return Asked(last, refresh)
