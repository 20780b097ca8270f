"""The report that a decision links to is the one that its Job makes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import typer.main

from taxi_domain.reports import report_id
from taxi_operator.reports import report_arguments
from taxi_operator.times import text_of
from taxi_report.main import app
from taxi_report.spans import span_between


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("length", [3600, 86_400, 31 * 86_400])
def test_command_line_of_the_job_comes_to_the_link_s_report(length: int, zone: str) -> None:
    """Whatever zone the release shows its reports in: the Job leaves it to the template."""
    end = datetime(2026, 11, 1, 6, 30, 7, tzinfo=UTC)
    start = end - timedelta(seconds=length)
    begin, until = text_of(start.timestamp()), text_of(end.timestamp())
    assert begin is not None
    assert until is not None

    name, *arguments = report_arguments("taxi-duration", begin, until)
    command = typer.main.get_group(app).commands[name]
    found = command.make_context(name, arguments).params
    now = end + timedelta(seconds=5)
    span = span_between(found["start"], found["end"], ZoneInfo(zone), now)

    assert found["zone"] == ""
    assert found["model"] == "taxi-duration"
    assert report_id(found["model"], span.start, span.end, found["version"] or None) == (
        report_id("taxi-duration", start, end)
    )
