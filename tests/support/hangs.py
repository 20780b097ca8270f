"""A request that hangs, told from a machine that stalls.

A machine that many share stops for seconds now and then, whatever is sent. Who hangs does so
each time that the same is sent.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx
import requests

#: An answer takes milliseconds; how long one may take, seconds, and how often it is asked for.
QUICK = 2
TRIES = 3
#: Ends a request that is never answered, seconds.
NEVER = 30

Answer = TypeVar("Answer")


class HangError(BaseException):
    """No Exception, so that Hypothesis does not hang once for each smaller example it looks for."""


def soon(send: Callable[[], Answer], sent: object) -> Answer:
    """Return the answer to what is sent; send it again at once while the answers are not quick.

    Raises:
        HangError: No try was quick, or one was not answered at all.
    """
    took = []
    for _ in range(TRIES):
        begin = time.monotonic()
        try:
            answer = send()
        except (httpx.TimeoutException, requests.Timeout) as error:
            raise HangError(f"not answered within {NEVER} s: {sent!r}") from error
        took.append(time.monotonic() - begin)
        if took[-1] < QUICK:
            return answer
    seconds = ", ".join(f"{one:.1f}" for one in took)
    raise HangError(f"answered only after {seconds} s: {sent!r}")
