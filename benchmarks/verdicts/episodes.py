"""Alarms of a stream counted as people see them."""

from collections.abc import Sequence
from typing import Final

#: Steps without an alarm that end an episode; what comes sooner is the same one.
QUIET_STEPS: Final = 3


def episode_starts(alarms: Sequence[bool]) -> list[int]:
    """Return the places at which episodes begin.

    One episode lasts until there was no alarm for `QUIET_STEPS` steps.

    >>> episode_starts([False, True, False, True, False, False, False, True])
    [1, 7]
    """
    starts: list[int] = []
    silent = QUIET_STEPS
    for place, alarm in enumerate(alarms):
        if alarm and silent >= QUIET_STEPS:
            starts.append(place)
        silent = 0 if alarm else silent + 1
    return starts


def first_start(alarms: Sequence[bool], onset: int) -> int | None:
    """Return where the first episode begins at or after the onset; None without one.

    An alarm that was there before the onset says nothing of what came with it.
    """
    return next((start for start in episode_starts(alarms) if start >= onset), None)
