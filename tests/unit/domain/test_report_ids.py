"""Ids of reports: who links to a report and who makes it must come to the same one."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from taxi_domain.reports import report_id

START = datetime(2021, 1, 1, tzinfo=UTC)
END = START + timedelta(days=1)


def test_ids_differ_by_model_span_and_version() -> None:
    ids = {
        report_id("m", START, END), report_id("n", START, END),
        report_id("m", START, END + timedelta(seconds=1)), report_id("m", START, END, "abc"),
    }  # fmt: skip

    assert len(ids) == 4


def test_id_is_that_of_the_moments_in_whatever_zone() -> None:
    zone = ZoneInfo("America/New_York")

    assert report_id("m", START.astimezone(zone), END.astimezone(zone)) == (
        "m-20210101T000000Z-20210102T000000Z"
    )
