"""The HTML page of a check: one file, no request, no script."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final
from zoneinfo import ZoneInfo

from taxi_profiles.reference import TARGET
from taxi_report.compare.drift import ColumnDrift
from taxi_report.render.charts.distribution import distribution_chart
from taxi_report.render.environment import CONTENT_SECURITY_POLICY, environment_of, text_of

#: Columns that are drawn at most: the first that fail.
MAX_CHARTS: Final = 60


def check_page_of(document: Mapping[str, Any], drifts: Mapping[str, ColumnDrift]) -> bytes:
    """Return the page, UTF-8.

    Args:
        document: Of `taxi_report.check.document.document_of`.
        drifts: Of the profiled columns, for the charts of those that fail.
    """
    target = document["schema"]["target"]
    failed = dict.fromkeys(
        one["column"] for one in document["conditions"] if one["failed"] and one["column"]
    )
    profiled = {name: drifts.get(TARGET if name == target else name) for name in failed}
    charts = [
        {**asdict(drift), "name": name}
        for name, drift in profiled.items()
        if drift is not None and drift.quality.rows
    ]
    template = environment_of(
        ZoneInfo("UTC"), {"distribution_chart": distribution_chart}
    ).get_template("check.html.j2")
    return template.render(
        check=document,
        source=_source(document["data"]),
        charts=charts[:MAX_CHARTS],
        policy=CONTENT_SECURITY_POLICY,
        style=text_of("style.css"),
    ).encode()


def _source(data: Mapping[str, Any]) -> str:
    if "files" in data:
        return ", ".join(data["files"])
    return f"{data['model']}: {data['from']} to {data['to']}"
