"""Waiting with a bound, for tests of things that take their time."""

import time
from typing import Any

import pytest


def wait_for(what: str, check: Any, seconds: float = 90) -> Any:
    """Ask until the answer is true, and return it; fail with the last answer."""
    deadline = time.monotonic() + seconds
    answer = check()
    while not answer:
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:.0f} s, last: {answer!r}")
        time.sleep(1)
        answer = check()
    return answer
