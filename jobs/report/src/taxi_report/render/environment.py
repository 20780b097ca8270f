"""What every page of a report is rendered with."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from taxi_report.render import numbers

#: The policy that a page needs and carries itself: inline script and style, no request at all.
#: Evidently's frames inherit it. A server may send the same with `frame-ancestors` added.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)


def environment_of(zone: ZoneInfo, functions: Mapping[str, Any]) -> Environment:
    """Return the environment of a page.

    Args:
        zone: That times are shown in.
        functions: Of the page's own, by name.
    """
    environment = Environment(
        loader=PackageLoader("taxi_report.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": numbers.count,
        "number": numbers.number,
        "value": numbers.value,
        "signed": numbers.signed,
        "percent": numbers.percent,
        "times": numbers.times,
        "seconds": numbers.seconds,
        "slug": numbers.slug,
        "moment": partial(numbers.moment, zone=zone),
        "offset": partial(numbers.offset, zone=zone),
    }
    environment.globals |= functions
    return environment


def text_of(name: str) -> Markup:
    """Return a file of our own that goes into a page as it is."""
    loader = PackageLoader("taxi_report.render")
    return Markup(loader.get_source(Environment(autoescape=True), name)[0])  # noqa: S704
