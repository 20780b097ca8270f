"""What a replay is told by: decisions, what held others back, counts and times. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from taxi_operator.core.decisions import Action, Traffic
from taxi_operator.core.signals import Reading
from taxi_operator.replay.fold import Look
from taxi_operator.times import text_of

Document = dict[str, Any]

#: What a user reads: a policy that swings has many more.
MAX_ENTRIES: Final = 2000
_PROMOTED: Final = "CandidatePromoted"


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened.

    Attributes:
        at: When, seconds since the epoch.
        what: A decision (`Retrain`, `Fallback`, `Restore`), or the reason of a note.
        because: The signals behind it.
        message: For people.
        signals: All signals at that time.
        is_decision: It was decided, and not what came of it.
    """

    at: float
    what: str
    because: tuple[str, ...] = ()
    message: str = ""
    signals: tuple[Reading, ...] = ()
    is_decision: bool = False


@dataclass(slots=True)
class Held:
    """A time in which something was held back.

    Attributes:
        reason: By what.
        signals: What was breached at its begin.
        begin: First look at which it was so, seconds since the epoch.
        end: Last one.
    """

    reason: str
    signals: tuple[str, ...]
    begin: float
    end: float


@dataclass(slots=True)
class Story:
    """A replay, told.

    Attributes:
        every: Seconds between two looks.
        looks: How many there were.
        entries: What happened, oldest first; at most `MAX_ENTRIES`.
        left_out: How many more there were.
        held: What was held back, and when.
        counts: How often each action was decided, and each note told.
        fallback_seconds: How long the fallback would have answered.
        harmed_seconds: How long a signal was breached while the champion answered.
        moves: When the traffic moved and to whom.
    """

    every: float
    looks: int = 0
    entries: list[Entry] = field(default_factory=list)
    left_out: int = 0
    held: list[Held] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    fallback_seconds: float = 0.0
    harmed_seconds: float = 0.0

    @property
    def runs(self) -> int:
        """Retrain runs that would have begun."""
        return self.counts[Action.RETRAIN]

    @property
    def moves(self) -> int:
        """Moves of the traffic, in either direction."""
        return self.counts[Action.FALLBACK] + self.counts[Action.RESTORE]

    @property
    def promotions(self) -> int:
        """Candidates that would have become the champion."""
        return self.counts[_PROMOTED]

    def take(self, look: Look, harmed: bool) -> None:
        """Take in a look.

        Args:
            look: What came of it.
            harmed: Whether a signal was breached then.
        """
        self.looks += 1
        if look.traffic is Traffic.FALLBACK:
            self.fallback_seconds += self.every
        elif harmed:
            self.harmed_seconds += self.every
        if look.decided is not None:
            decided = look.decided
            self.counts[decided.action] += 1
            self._add(
                Entry(
                    look.now, str(decided.action), decided.because, decided.reason, look.readings,
                    is_decision=True,
                )
            )  # fmt: skip
        for note in look.notes:
            self.counts[note.reason] += 1
            self._add(Entry(look.now, note.reason, message=note.message))
        if look.holds:
            self._hold(look)

    def _add(self, entry: Entry) -> None:
        if len(self.entries) < MAX_ENTRIES:
            self.entries.append(entry)
        else:
            self.left_out += 1

    def _hold(self, look: Look) -> None:
        for reason in look.holds:
            # Two reasons can hold two rules at the same time.
            open_ones = (one for one in self.held[-2:] if one.reason == reason)
            same = next((one for one in open_ones if look.now - one.end < 1.5 * self.every), None)
            if same is not None:
                same.end = look.now
            elif len(self.held) < MAX_ENTRIES:
                breached = tuple(one.name for one in look.readings if one.breached)
                self.held.append(Held(reason, breached, look.now, look.now))


def told(looks: Iterable[Look], every: float) -> Story:
    """Return the story of a replay; a look stands for the time until the next one.

    Args:
        looks: What came of each.
        every: Seconds between two.
    """
    story = Story(every)
    for look in looks:
        story.take(look, any(one.breached for one in look.readings))
    return story


def summary(story: Story) -> Mapping[str, Any]:
    """Return counts and times."""
    return {
        "looks": story.looks,
        "runs": story.runs,
        "promotions": story.promotions,
        "movesToFallback": story.counts[Action.FALLBACK],
        "movesToChampion": story.counts[Action.RESTORE],
        "fallbackSeconds": round(story.fallback_seconds),
        "harmedSeconds": round(story.harmed_seconds),
        "heldSeconds": _held_seconds(story),
    }


def _held_seconds(story: Story) -> Mapping[str, int]:
    seconds: Counter[str] = Counter()
    for one in story.held:
        seconds[one.reason] += round(one.end - one.begin + story.every)
    return dict(sorted(seconds.items()))


def document_of(story: Story) -> Document:
    """Return a story as JSON can hold it."""
    return {
        "summary": summary(story),
        "entries": [_entry(one) for one in story.entries],
        "entriesLeftOut": story.left_out,
        "held": [
            {
                "reason": one.reason, "signals": list(one.signals),
                "from": text_of(one.begin), "to": text_of(one.end),
            }
            for one in story.held
        ],
    }  # fmt: skip


def _entry(one: Entry) -> Document:
    shown: Document = {
        "at": text_of(one.at), "what": one.what, "decision": one.is_decision,
        "because": list(one.because), "message": one.message,
        "signals": [signal_document(reading) for reading in one.signals],
    }  # fmt: skip
    return {name: value for name, value in shown.items() if value not in ("", [], None)}


def signal_document(reading: Reading) -> Document:
    """Return a signal's reading as JSON can hold it."""
    shown: Document = {
        "name": reading.name, "state": str(reading.state), "breached": reading.breached,
        "value": None if reading.value is None else f"{reading.value:.6g}",
        "message": reading.reason,
    }  # fmt: skip
    return {name: value for name, value in shown.items() if value is not None}


def lines(story: Story) -> Sequence[str]:
    """Return a story as lines for people, in the order of time."""
    found: list[tuple[float, str]] = []
    for one in story.entries:
        because = f" because of {', '.join(one.because)}" if one.because else ""
        message = f": {one.message}" if one.message else ""
        states = "; ".join(f"{each.name} {each.state} {each.reason}" for each in one.signals)
        shown = f" [{states}]" if states else ""
        indent = "" if one.is_decision else "  "
        found.append((one.at, f"{text_of(one.at)} {indent}{one.what}{because}{message}{shown}"))
    for held in story.held:
        signals = f" ({', '.join(held.signals)} breached)" if held.signals else ""
        text = f"{text_of(held.begin)}   held by {held.reason} until {text_of(held.end)}{signals}"
        found.append((held.begin, text))
    found.sort(key=lambda one: one[0])
    more = [f"... and {story.left_out} more"] if story.left_out else []
    return [*(text for _, text in found), *more]
