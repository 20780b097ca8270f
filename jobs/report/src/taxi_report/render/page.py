"""The HTML page of a report: one file, no request, complete without script."""

from functools import partial
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment

from taxi_report.compare.words import beyond
from taxi_report.document import Document
from taxi_report.presets.html import Snapshots
from taxi_report.render.charts.boxes import error_boxes
from taxi_report.render.charts.distribution import distribution_chart
from taxi_report.render.charts.slices import slice_chart
from taxi_report.render.charts.timeline import timeline_chart
from taxi_report.render.environment import CONTENT_SECURITY_POLICY, environment_of, text_of
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
            style=text_of("style.css"),
            script=text_of("explore.js"),
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
    zone = ZoneInfo(document["span"]["time_zone"])
    return environment_of(
        zone,
        {
            "limits_text": beyond,
            "distribution_chart": distribution_chart,
            "timeline_chart": partial(timeline_chart, zone=zone),
            "slice_chart": slice_chart,
            "error_boxes": error_boxes,
            "groups": _groups,
        },
    )


def _groups(slices: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the cells of each slice."""
    return [(name, list(cells)) for name, cells in groupby(slices, key=lambda one: one["name"])]
