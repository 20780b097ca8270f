"""Refused items are named in the log, and however many there are, they do not fill it."""

from functools import partial
from typing import Any

import pytest

from taxi_runtime.refused_lines import RefusedLines


class Clock:
    """Time that a test lets pass."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(one) for one in caplog.records]


def test_one_of_each_field_a_minute_is_named(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    refused = RefusedLines(clock)
    for number in range(5):
        refused.tell("row", "miles", partial("r{}".format, number))
    refused.tell("row", "zone", lambda: "r9")
    clock.now = 61.0
    refused.tell("row", "miles", lambda: "r10")

    assert [(one["field"], one["row_id"], one["more_before"]) for one in lines(caplog)] == [
        ("miles", "r0", 0), ("zone", "r9", 0), ("miles", "r10", 4),
    ]  # fmt: skip


def test_fields_without_end_are_one(caplog: pytest.LogCaptureFixture) -> None:
    refused = RefusedLines(Clock())
    for number in range(500):
        refused.tell("row", f"field{number}", str)

    assert len(caplog.records) == 101
    assert lines(caplog)[-1]["field"] == "other"


@pytest.mark.parametrize("strange", [None, 5, "", {"a": 1}])
def test_what_is_no_id_is_left_out(caplog: pytest.LogCaptureFixture, strange: object) -> None:
    RefusedLines(Clock()).tell("row", "id", lambda: strange)

    assert "row_id" not in lines(caplog)[0]
