"""Waiting with a bound, for tests of things that take their time."""

import time
from typing import Any

import httpx
import pytest
from pymongo.errors import ConnectionFailure

from taxi_domain.errors import NotAvailableError
from taxi_stories.kubectl import CommandError

#: What is there soon is found soon, and what takes long is not asked all the time.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 1.0
#: What a server does that is busy, or away.
NO_ANSWER = (CommandError, NotAvailableError, httpx.TransportError, ConnectionFailure)


def wait_for(what: str, check: Any, seconds: float = 90) -> Any:
    """Ask until the answer is true, and return it; fail with the last answer.

    A busy cluster does not answer every call: one that fails is asked again.
    """
    deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE_SECONDS
    while True:
        try:
            answer = last = check()
        except NO_ANSWER as error:
            answer, last = None, error
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:.0f} s, last: {last!r}")
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
