"""The HTML page of a report: one file, no request, complete without script."""

from functools import partial
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from taxi_report.compare.words import beyond
from taxi_report.document import Document
from taxi_report.presets.html import Snapshots
from taxi_report.render import numbers
from taxi_report.render.charts.boxes import error_boxes
from taxi_report.render.charts.distribution import distribution_chart
from taxi_report.render.charts.slices import slice_chart
from taxi_report.render.charts.timeline import timeline_chart
from taxi_report.render.interactive import Interactive, interactive_of

#: What a page takes at most, bytes.
MAX_BYTES: Final = 5_000_000
#: Versions that are shown in full at most: those with the most rows.
MAX_VERSIONS: Final = 8
#: Versions that are shown in full, and columns of each that are drawn:
#: the first of these with which the page is small enough. All others have a line in a table.
DETAILS: Final = ((MAX_VERSIONS, 60), (4, 40), (2, 30), (1, 30), (1, 10))
#: Columns of a pushing row that are shown.
MAX_VALUES: Final = 12
#: Of `MAX_BYTES`, what is kept free for the frame around Evidently's parts.
_RESERVE: Final = 100_000
#: The policy that the page needs and carries itself: inline script and style, no request at all.
#: Evidently's frames inherit it. A server may send the same with `frame-ancestors` added.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)


def page_of(document: Document, snapshots: Snapshots) -> bytes:
    """Return the page, UTF-8, at most `MAX_BYTES`.

    Args:
        document: Of `taxi_report.document.document_of`.
        snapshots: Evidently's snapshots by model version and name of the preset
            (`taxi_report.presets.run.TITLES`); those that make the page too large are left out
            and named in it.

    Raises:
        ValueError: the page is too large without any of them.
    """
    template = _environment(document).get_template("page.html.j2")

    def render(versions: int, charts: int, interactive: Interactive) -> bytes:
        return template.render(
            report=document,
            shown=document["versions"][:versions],
            hidden=document["versions"][versions:],
            max_charts=charts,
            max_values=MAX_VALUES,
            policy=CONTENT_SECURITY_POLICY,
            style=_text("style.css"),
            script=_text("explore.js"),
            interactive=interactive,
        ).encode()

    size = versions = charts = 0
    for versions, charts in DETAILS:
        size = len(render(versions, charts, Interactive.empty()))
        if size <= MAX_BYTES - _RESERVE:
            break
    else:
        raise ValueError(f"{document['id']}: the page has {size} bytes; read the JSON document")
    names = [one["model_version"] for one in document["versions"][:versions]]
    wanted = {name: snapshots[name] for name in names if name in snapshots}
    interactive = interactive_of(wanted, MAX_BYTES - _RESERVE - size)
    return render(versions, charts, interactive)


def _environment(document: Document) -> Environment:
    environment = Environment(
        loader=PackageLoader("taxi_report.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    zone = ZoneInfo(document["span"]["time_zone"])
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
    environment.globals |= {
        "limits_text": beyond,
        "distribution_chart": distribution_chart,
        "timeline_chart": partial(timeline_chart, zone=zone),
        "slice_chart": slice_chart,
        "error_boxes": error_boxes,
        "groups": _groups,
    }
    return environment


def _groups(slices: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the cells of each slice."""
    return [(name, list(cells)) for name, cells in groupby(slices, key=lambda one: one["name"])]


def _text(name: str) -> Markup:
    """Return a file of our own that goes into the page as it is."""
    loader = PackageLoader("taxi_report.render")
    return Markup(loader.get_source(Environment(autoescape=True), name)[0])  # noqa: S704
