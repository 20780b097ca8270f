"""Waiting until the log has what was answered, so that no measurement pays for another's rows."""

import re
import time

import httpx

#: The counters of the exported page are at most so old.
_STRIDE_SECONDS = 0.35
_LOOK_SECONDS = 0.1
_DEADLINE_SECONDS = 120


def waiting_records(url: str) -> float:
    """Return how many answered rows of a predictor the log lacks, as its metrics say."""
    page = httpx.get(f"{url}/metrics", timeout=10).text

    def total(name: str, labels: str = "") -> float:
        found = re.findall(
            rf"^taxi_predictor_{name}_total{{[^}}]*{labels}[^}}]*}} (\S+)$", page, re.MULTILINE
        )
        return sum(map(float, found))

    return total("predictions") - total("logged_records", 'destination="mongodb"')


def wait_for_delivery(url: str) -> None:
    """Wait until nothing waits."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    time.sleep(_STRIDE_SECONDS)
    while waiting_records(url) > 0:
        if time.monotonic() > deadline:
            raise SystemExit(f"the rows were not delivered in {_DEADLINE_SECONDS} s")
        time.sleep(_LOOK_SECONDS)
