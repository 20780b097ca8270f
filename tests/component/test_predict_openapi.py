"""The predictor answers as its own OpenAPI document says, whatever is made of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from support.hangs import NEVER, soon
from support.predictor import Predictor, register, small_artifact

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

CASES = settings(
    max_examples=200, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip

#: Too many rows are too large.
CHECKS = schemathesis.Config.from_dict(
    {"checks": {"negative_data_rejection": {"expected-statuses": [400, 413, 415, 422]}}}
)


@pytest.fixture(scope="module")
def api(shared_mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    uri = shared_mongod.uri.replace("/taxi", "/taxi?appName=openapi")
    register(uri, Alias.CHAMPION, small_artifact())
    predictor = Predictor(tmp_path_factory.mktemp("openapi"), uri).start()
    yield schemathesis.openapi.from_url(f"{predictor.url}/openapi.json", config=CHECKS)
    predictor.stop()


@pytest.mark.parametrize(
    ("route", "method", "mode"),
    [
        ("/predict", "POST", GenerationMode.POSITIVE),
        ("/predict", "POST", GenerationMode.NEGATIVE),
        ("/predict/batch", "POST", GenerationMode.POSITIVE),
        ("/predict/batch", "POST", GenerationMode.NEGATIVE),
        ("/v1/model", "GET", GenerationMode.POSITIVE),
    ],
)
def test_answers_are_as_described(api: Any, route: str, method: str, mode: GenerationMode) -> None:
    """Good requests are answered soon, bad ones refused, in the form that the document gives."""

    @CASES
    @given(case=api[route][method].as_strategy(generation_mode=mode))
    def call(case: schemathesis.Case[Any]) -> None:
        soon(lambda: case.call_and_validate(timeout=NEVER), sent=case)

    call()
