"""Times of answers in the log, and what is said while files are scored."""

import logging
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.schemas import ZONES

from taxi_predict.batch import progress
from taxi_predict.batch.log import utc_milliseconds
from taxi_predict.batch.progress import row_progress
from taxi_predict.batch.settings import Settings
from taxi_predict.batch.store import place_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(
    st.lists(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), min_size=1, max_size=5),  # noqa: DTZ001
    ZONES,
)
@example([datetime(2021, 11, 7, 1, 30)], "America/New_York")  # noqa: DTZ001 - comes twice
@example([datetime(2021, 3, 14, 2, 30)], "America/New_York")  # noqa: DTZ001 - never comes
@example([datetime(2048, 3, 8, 2, fold=1)], "America/New_York")  # noqa: DTZ001
def test_local_times_are_put_into_the_log_as_utc(moments: list[datetime], name: str) -> None:
    zone = ZoneInfo(name)

    found = utc_milliseconds(np.array(moments, "datetime64[us]"), zone)

    for milliseconds, moment in zip(found.tolist(), moments, strict=True):
        # Arrays do not say which of two equal hours is meant: it is the first.
        passed = moment.replace(tzinfo=zone, fold=0) - EPOCH
        assert milliseconds == passed.total_seconds() * 1000 // 1


def test_a_line_now_and_then_says_how_far_it_is(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    with row_progress(30) as rows:
        rows.advance(10)
        assert not caplog.messages
        monkeypatch.setattr(progress, "_LINE_SECONDS", 0.0)
        rows.advance(10)
    with row_progress(None) as rows:
        rows.advance(7)

    assert caplog.messages == ["20 of 30 rows", "7 rows"]


def test_no_password_is_kept_beside_the_output() -> None:
    settings = Settings(TAXI_MONGODB_URI="mongodb://user:secret@a:1,b:2/taxi?replicaSet=x")

    assert place_of(settings) == "a:1,b:2/taxi"
