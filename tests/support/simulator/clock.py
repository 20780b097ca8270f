"""Time that is set forward instead of waited for, and the event loop that goes by it."""

import asyncio
import selectors
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

#: 2025-10-09T08:53:20Z, where every world begins.
BEGIN: Final = 1_760_000_000.0
MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86_400.0


@dataclass(slots=True)
class Clock:
    """The true time, and those of the two servers that the operator goes by.

    Attributes:
        seconds: True time since the world began.
        api_ahead: Seconds that the API server's clock is ahead of it.
        prometheus_ahead: Seconds that Prometheus' clock is ahead of it.
    """

    seconds: float = 0.0
    api_ahead: float = 0.0
    prometheus_ahead: float = 0.0

    @property
    def api(self) -> float:
        """Time of the API server, seconds since the epoch."""
        return BEGIN + self.seconds + self.api_ahead

    @property
    def prometheus(self) -> float:
        """Time of Prometheus, seconds since the epoch."""
        return BEGIN + self.seconds + self.prometheus_ahead

    @property
    def api_text(self) -> str:
        """Time of the API server as objects have it."""
        return text_of(self.api)


def text_of(seconds: float) -> str:
    """Return the RFC 3339 form of seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class _NoWaiting(selectors.SelectSelector):
    """Lets the time pass at once for which the event loop would wait."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing is left to happen, and something is waited for")
        self._clock.seconds += max(timeout, 0.0)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a clock's; its order of events is always the same."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(_NoWaiting(clock))
        self._clock = clock

    def time(self) -> float:
        return self._clock.seconds
