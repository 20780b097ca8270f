"""When a status is written: at once when a state in it changed, and now and then for its figures.

Values, numbers of rows and the texts about them differ at each look, and nothing hangs on them: the
metrics have the live ones. Everything else of a status is memory, or is waited for by somebody.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from taxi_operator.conditions import DRIFT, METRICS

Document = Mapping[str, Any]

#: Figures that differ are written again after as long, seconds.
REFRESH_SECONDS: Final = 300.0
#: With many policies later, so that all of them together write at most once in so many seconds.
SHARE_SECONDS: Final = 15.0
#: Share by which the time differs, so that policies that began together do not write together.
_JITTER: Final = 0.1
#: A policy that nobody looked at for as long is gone; the longest interval is an hour, seconds.
_FORGOTTEN: Final = 86_400.0
#: Conditions whose messages tell figures of signals.
_OF_FIGURES: Final = {METRICS, DRIFT}
_STATES: Final = {"name", "state", "breached"}


def essence(status: Document) -> dict[str, Any]:
    """Return a status without what differs at each look."""
    return {
        **status,
        "signals": [
            {name: value for name, value in one.items() if name in _STATES}
            for one in _parts(status, "signals")
        ],
        "conditions": [
            {
                name: value
                for name, value in one.items()
                if name != "message" or one.get("type") not in _OF_FIGURES
            }
            for one in _parts(status, "conditions")
        ],
    }


def _parts(status: Document, name: str) -> list[Document]:
    """Return a list of a status; whoever wrote it last may have left anything there."""
    found = status.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


class Figures:
    """Knows when the figures of each policy are to be written again.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        #: When a policy was looked at last, and when its figures are due.
        self._due: dict[str, tuple[float, float]] = {}
        self._cleaned = clock()

    def is_news(self, policy: str, before: Document, after: Document) -> bool:
        """Tell whether a status is to be written now; it is taken for written then.

        Args:
            policy: Name of the policy.
            before: The status that is there.
            after: The one that would be written.
        """
        now = self._clock()
        self._clean(now)
        # Always the same for a policy, and another one for the next.
        share = random.Random(policy).random()
        # A new process does not write all figures at once: nobody knows how old they are.
        _, due = self._due.get(policy) or (now, now + share * self._pause)
        self._due[policy] = (now, due)
        if before == after:
            return False
        is_news = now >= due or essence(before) != essence(after)
        if is_news:
            pause = self._pause * (1 + _JITTER * (2 * share - 1))
            self._due[policy] = (now, now + pause)
        return is_news

    @property
    def _pause(self) -> float:
        return max(REFRESH_SECONDS, SHARE_SECONDS * len(self._due))

    def _clean(self, now: float) -> None:
        if now - self._cleaned < _FORGOTTEN:
            return
        self._cleaned = now
        self._due = {
            name: found for name, found in self._due.items() if now - found[0] < _FORGOTTEN
        }
