"""Local times are Python's, to the second in which clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from taxi_report.collect.columns import local_seconds

#: Zones with moments (UTC) right before which their clocks changed.
CHANGES = [
    ("America/New_York", (2021, 3, 14, 7, 0)),
    ("America/New_York", (2021, 11, 7, 6, 0)),
    ("Europe/Berlin", (2021, 10, 31, 1, 0)),
    ("Australia/Lord_Howe", (2021, 4, 3, 15, 0)),
    ("Australia/Lord_Howe", (2021, 10, 2, 15, 30)),
    ("Australia/Adelaide", (2021, 4, 3, 16, 30)),
    ("America/St_Johns", (2021, 3, 14, 5, 30)),
    ("America/St_Johns", (2010, 11, 7, 2, 31)),
    ("Asia/Tehran", (2021, 3, 21, 20, 30)),
    ("Pacific/Chatham", (2021, 4, 3, 14, 0)),
]


def exact(ts: np.ndarray, zone: ZoneInfo) -> list[float]:
    """Return Python's local times, moment by moment."""
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001 - local times
    return [
        (datetime.fromtimestamp(one, zone).replace(tzinfo=None) - epoch).total_seconds()
        for one in ts
    ]


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_local_times_are_pythons_around_a_change_of_the_clock(
    name: str, change: tuple[int, int, int, int, int]
) -> None:
    zone, at = ZoneInfo(name), datetime(*change, tzinfo=UTC)
    before = (at - timedelta(seconds=1)).astimezone(zone).utcoffset()
    assert before != at.astimezone(zone).utcoffset()
    middle = at.timestamp()
    ts = np.concatenate(
        [
            np.arange(middle - 86_400, middle + 86_400, 300.0),
            np.arange(middle - 3, middle + 3, 0.25),
        ]
    )

    assert local_seconds(ts, zone).tolist() == exact(ts, zone)


@pytest.mark.parametrize("name", ["UTC", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_local_times_are_pythons_all_year(name: str) -> None:
    zone = ZoneInfo(name)
    ts = np.random.default_rng(1).uniform(1_609_459_200, 1_640_995_200, 2000)

    assert np.allclose(local_seconds(ts, zone), exact(ts, zone), rtol=0, atol=1e-5)


def test_no_moments_are_no_trouble() -> None:
    assert local_seconds(np.zeros(0), ZoneInfo("Asia/Tehran")).tolist() == []
