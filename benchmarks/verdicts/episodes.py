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


def first_after(alarms: Sequence[bool], onset: int) -> int | None:
    """Return the first place at or after the onset at which an alarm is raised; None without one.

    An alarm that was on right before the onset says nothing of what came with it, until it has
    ended and comes again.

    >>> first_after([True, True, False, True], 1)
    3
    """
    before = [False, *alarms]
    return next(
        (place for place in range(onset, len(alarms)) if alarms[place] and not before[place]),
        None,
    )
