"""When a server that does not answer is asked again: a circuit breaker. Pure."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from taxi_domain.errors import NotAvailableError
from taxi_operator.times import text_of

#: Failures in a row after which nobody asks for a while.
MAX_FAILURES: Final = 3
#: The first pause, and the longest: the default interval of a policy, seconds.
FIRST_PAUSE: Final = 5.0
MAX_PAUSE: Final = 30.0
#: Share by which a pause differs, so that many servers that went together are not tried together.
_JITTER: Final = 0.2


class Breaker:
    """Keeps callers from a server that does not answer.

    Closed, everybody may ask. After some failures in a row it opens: until the end of a pause
    everybody gets the last failure at once. Then one caller at a time tries (half open): an answer
    closes it, a failure makes the pause twice as long.

    Args:
        clock: Seconds that only grow, for pauses.
        wall_clock: Seconds since the epoch, for words.
        jitter: What pauses differ by.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        jitter: random.Random | None = None,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._random = jitter or random.Random()
        self._close()

    def _close(self) -> None:
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._opens_until = 0.0
        self._why = ""
        self._tried = False

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Ask the server within this; whatever it answers, it has answered.

        Raises:
            NotAvailableError: it does not answer, or is not asked, and until when.
        """
        probes = self._is_open
        if probes and (self._tried or self._clock() < self._opens_until):
            raise NotAvailableError(self._why)
        self._tried = probes
        try:
            yield
        except NotAvailableError as error:
            # Calls that began before it opened are no probes.
            if probes == self._is_open:
                self._fail(str(error), probes=probes)
            if self._is_open:
                raise NotAvailableError(self._why) from None
            raise
        except Exception:
            self._close()
            raise
        else:
            self._close()
        finally:
            # Also when it was cancelled: the next one tries.
            if probes:
                self._tried = False

    @property
    def _is_open(self) -> bool:
        return self._failures >= MAX_FAILURES

    def _fail(self, problem: str, *, probes: bool) -> None:
        self._failures += 1
        if not self._is_open:
            return
        if probes:
            self._pause = min(2 * self._pause, MAX_PAUSE)
        pause = self._pause * self._random.uniform(1 - _JITTER, 1)
        self._opens_until = self._clock() + pause
        until = text_of(self._wall_clock() + pause)
        self._why = f"{problem}; {self._failures} times in a row, so it is not asked until {until}"
