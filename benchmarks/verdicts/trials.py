"""One detector on one try: when it alarmed, what it blamed, which kind it named."""

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from verdicts.arms.interface import Arm, State
from verdicts.episodes import episode_starts, first_after
from verdicts.events import event_at
from verdicts.scenarios import Trial
from verdicts.traffic import steps

#: Served rows of a step: the engine's block, and a quarter of a window.
STEP = 500
#: Steps after the alarm of a shift: kind and blame are those of the strongest of them.
_AFTER_ALARM = 6
#: Of what is blamed, how many are looked at for the right column.
_BLAMED = 3


@dataclass(frozen=True)
class Found:
    """What a detector said of a shift.

    Attributes:
        requests: From the onset to the alarm; None where it never came.
        already: Whether the alarm was there before.
        chance: Whether it would have come as soon without the shift.
        blamed: At the alarm, worst first.
        kinds: Named at the alarm and at the end of the try.
    """

    requests: int | None
    already: bool
    blamed: tuple[str, ...]
    kinds: tuple[str, str]
    chance: bool = False

    def beside(self, control: "Found") -> "Found":
        """Return what the shift brought about, given what the same rows say without it."""
        if self.requests is None or control.requests is None or self.requests < control.requests:
            return self
        return Found(None, self.already, (), ("", self.kinds[1]), chance=True)


@dataclass(frozen=True)
class Whole:
    """What a detector said of rows as they were.

    Attributes:
        episodes: In the order of time.
        kinds: Kinds that were named while there was an alarm, and after how many requests first.
        alarmed: Share of the steps with an alarm: an episode may last for ever.
    """

    episodes: list["Episode"]
    kinds: dict[str, int]
    alarmed: float


@dataclass(frozen=True)
class Episode:
    """An alarm in rows as they were; its kind at its begin, and some steps later."""

    requests: int
    moment: str
    event: str
    blamed: tuple[str, ...]
    kind: str
    kind_later: str


def look_for(arm: Arm, trial: Trial) -> Found:
    """Play a try until some steps after the first alarm that begins after its onset."""
    watch = arm.begin()
    states: list[State] = []
    ends: list[int] = []
    start: int | None = None
    for step in steps(trial.traffic, STEP):
        states.append(watch.feed(step))
        ends.append(step.requests)
        onset = sum(end <= trial.onset for end in ends)
        start = first_after([state.alarm for state in states], onset)
        if start is not None and len(states) - start > _AFTER_ALARM:
            break
    onset = sum(end <= trial.onset for end in ends)
    already = onset > 0 and states[onset - 1].alarm
    if start is None:
        return Found(None, already, (), ("", states[-1].kind))
    return Found(
        ends[start] - trial.onset, already, states[start].blamed,
        (states[start].kind, states[-1].kind),
    )  # fmt: skip


def watched(arm: Arm, trial: Trial) -> Whole:
    """Play rows as they were to their end."""
    watch = arm.begin()
    states: list[State] = []
    ends: list[int] = []
    for step in steps(trial.traffic, STEP):
        states.append(watch.feed(step))
        ends.append(step.requests)
    found = []
    for start in episode_starts([state.alarm for state in states]):
        arrived = trial.traffic.arrived[ends[start] - 1]
        moment = np.datetime64(int(arrived), "s")
        state, later = states[start], states[min(start + _AFTER_ALARM, len(states) - 1)]
        found.append(
            Episode(
                ends[start], str(moment), event_at(moment), state.blamed[:_BLAMED], state.kind,
                later.kind,
            )
        )  # fmt: skip
    kinds: dict[str, int] = {}
    for state, end in zip(states, ends, strict=True):
        if state.alarm and state.kind:
            kinds.setdefault(state.kind, end)
    return Whole(found, kinds, round(float(np.mean([state.alarm for state in states])), 3))


def summary(found: list[Found], kinds: tuple[str, ...], blames: frozenset[str]) -> dict[str, Any]:
    """Return the figures of a shift's tries.

    Args:
        found: One for each try.
        kinds: Kinds that would be right; empty where any is.
        blames: Columns of which one should be among the first; empty where none should.
    """
    rows = sorted(one.requests for one in found if one.requests is not None)
    there = [one for one in found if one.requests is not None]
    named = Counter(one.kinds[1] for one in there if one.kinds[1])
    first = Counter(one.blamed[0] for one in there if one.blamed)
    right = [any(column_of(name) in blames for name in one.blamed[:_BLAMED]) for one in there]
    return {
        "tries": len(found),
        "found": len(rows),
        "already": sum(one.already for one in found),
        "chance": sum(one.chance for one in found),
        "median": int(median(rows)) if rows else None,
        "worst": max(rows) if len(rows) == len(found) else None,
        "kinds": dict(named),
        "right_kind": sum(kind in kinds for kind in named.elements()) if kinds else None,
        "blamed": dict(first),
        "right_column": sum(right) if blames else None,
    }


def column_of(stream: str) -> str:
    """Return the column of a stream of the engine (`score:column@slice=group`).

    >>> column_of("cell:DOLocationID@borough=Bronx")
    'DOLocationID'
    >>> column_of("trip_distance")
    'trip_distance'
    """
    return stream.split("@")[0].split(":")[-1]
