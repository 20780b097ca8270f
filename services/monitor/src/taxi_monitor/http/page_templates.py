"""Lays the page's templates out; needs no request, so threads can do it."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import quote

from flask import Response
from jinja2 import Environment, PackageLoader, StrictUndefined

#: Nothing but the style sheet is loaded, nothing is run, nothing is sent.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
#: Name of the style sheet, below the root.
STYLE: Final = "page.css"


def headed(text: str, refresh: str = "") -> Response:
    """Return a page with its own headers; the others are every answer's.

    Args:
        text: The page.
        refresh: Seconds until it is loaded again; empty for never.
    """
    response = Response(text, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    if refresh:
        response.headers["Refresh"] = refresh
    return response


def render(template: str, **values: object) -> str:
    """Lay a template out; every value is escaped."""
    return _environment().get_template(template).render(style=_style_link(), **values)


@cache
def style_sheet() -> bytes:
    """Return the style sheet."""
    return files("taxi_monitor").joinpath("static", STYLE).read_bytes()


@cache
def _style_link() -> str:
    # Another sheet has another address, so that browsers may keep each for ever.
    return f"{STYLE}?v={hashlib.sha256(style_sheet()).hexdigest()[:12]}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("taxi_monitor"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=StrictUndefined,
    )  # fmt: skip
    environment.filters["in_path"] = lambda text: quote(text, safe="")
    return environment
