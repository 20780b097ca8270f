"""The monitor serves a report's page with the policy that the page was tried with."""

from taxi_monitor.http.report_routes import CONTENT_SECURITY_POLICY as SERVED
from taxi_report.render.environment import CONTENT_SECURITY_POLICY as WRITTEN


def test_served_policy_is_that_of_the_page_without_frames_around_it() -> None:
    assert f"{WRITTEN}; frame-ancestors 'none'" == SERVED
