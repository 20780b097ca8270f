"""The monitor answers as its own OpenAPI document says, whatever is made of it."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from support.artifacts import artifact_for
from support.hangs import NEVER, soon
from support.monitor import HEADERS, Monitor
from support.predictor import register
from support.taxi_columns import SCHEMA

from taxi_domain.models import Alias
from taxi_local.mongod import Mongod
from taxi_schema.request_schema import LOCAL_TIME_FORMAT, TIME_FORMAT

pytestmark = pytest.mark.component

schemathesis.openapi.format(LOCAL_TIME_FORMAT, st.datetimes().map(datetime.isoformat))
# An offset can move a time of the first or the last year beyond the years that there are.
schemathesis.openapi.format(
    TIME_FORMAT,
    st.datetimes(
        datetime(2, 1, 1),  # noqa: DTZ001 - bounds have no zone
        datetime(9998, 12, 31),  # noqa: DTZ001
        timezones=st.just(UTC),
    ).map(datetime.isoformat),
)

EXAMPLES = int(os.environ.get("TAXI_FUZZ_CASES", "24"))
CASES = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
REFUSED = {"expected-statuses": [400, 401, 404, 413, 414, 415, 422]}
#: Both halves of an inference may be good, and not belong together.
CHECKS = schemathesis.Config.from_dict(
    {"checks": {
        "negative_data_rejection": REFUSED,
        "positive_data_acceptance": {"expected-statuses": ["2xx", 404, 422]},
    }}
)  # fmt: skip
LISTS = (
    "/v1/predictions", "/v1/records", "/v1/rows", "/v1/labels", "/v1/labels/corrections",
    "/v1/events",
)  # fmt: skip


@pytest.fixture(scope="module")
def monitor(shared_mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitor]:
    uri = shared_mongod.uri.replace("/taxi", "/taxi?appName=openapi")
    register(uri, Alias.CHAMPION, artifact_for(SCHEMA))
    one = Monitor(tmp_path_factory.mktemp("openapi"), uri).start()
    one.wait("/v1/drift", "window", 0)
    yield one
    printed = one.printed()
    one.stop()
    assert "Traceback" not in printed


@pytest.fixture(scope="module")
def api(monitor: Monitor) -> Any:
    return schemathesis.openapi.from_url(f"{monitor.url}/openapi.json", config=CHECKS)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("route", LISTS)
def test_posts_are_taken_or_refused_as_described(
    api: Any, route: str, mode: GenerationMode
) -> None:
    @CASES
    @given(case=api[route]["POST"].as_strategy(generation_mode=mode))
    def call(case: schemathesis.Case[Any]) -> None:
        soon(lambda: case.call_and_validate(timeout=NEVER, headers=HEADERS), sent=case)

    call()


@pytest.mark.parametrize(
    ("route", "mode"),
    [
        *((route, GenerationMode.POSITIVE) for route in (
            "/v1/drift", "/v1/performance", "/v1/reports", "/v1/verdicts",
            "/reports/{report_id}.json",
        )),
        ("/v1/verdicts", GenerationMode.NEGATIVE),
        ("/v1/reports", GenerationMode.NEGATIVE),
        ("/reports/{report_id}.json", GenerationMode.NEGATIVE),
    ],
)  # fmt: skip
def test_answers_are_as_described(api: Any, route: str, mode: GenerationMode) -> None:
    @settings(CASES, max_examples=EXAMPLES // 2)
    @given(case=api[route]["GET"].as_strategy(generation_mode=mode))
    def call(case: schemathesis.Case[Any]) -> None:
        soon(lambda: case.call_and_validate(timeout=NEVER), sent=case)

    call()
