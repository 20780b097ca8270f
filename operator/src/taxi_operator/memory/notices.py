"""What a decision in a history remembers of its notices: which is due, and what became of it. Pure.

A decision has two of them: that it was decided, and what became of it. The second one is due when
the first one is told or lost.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final


class Occasion(StrEnum):
    """What a notice tells of a decision."""

    DECIDED = "decided"
    ENDED = "ended"


class Told(StrEnum):
    """What a decision remembers; one without such a word is told to nobody."""

    DUE = "Due"
    DECIDED_TOLD = "DecidedTold"
    #: Nobody took the first notice in time; the second one is tried all the same.
    DECIDED_LOST = "DecidedLost"
    ALL_TOLD = "AllTold"
    #: Nobody took one of the two in time.
    LOST = "Lost"


_FIRST_IS_OVER: Final = {Told.DECIDED_TOLD, Told.DECIDED_LOST}


def due_of(entry: Mapping[str, Any]) -> Occasion | None:
    """Return which notice of a decision is due; None when none is, or the word is not known."""
    word = entry.get("notice")
    if word == Told.DUE:
        return Occasion.DECIDED
    return Occasion.ENDED if word in _FIRST_IS_OVER and "outcome" in entry else None


def waits_for_its_end(entry: Mapping[str, Any]) -> bool:
    """Tell whether the end of a decision is to be told and is not known yet."""
    return entry.get("notice") in _FIRST_IS_OVER | {Told.DUE} and "outcome" not in entry


def word_after(entry: Mapping[str, Any], occasion: Occasion, *, delivered: bool) -> Told:
    """Return what a decision remembers once a notice of it was delivered, or is lost."""
    if occasion is Occasion.DECIDED:
        return Told.DECIDED_TOLD if delivered else Told.DECIDED_LOST
    return Told.ALL_TOLD if delivered and entry.get("notice") == Told.DECIDED_TOLD else Told.LOST
