"""The verdict in words: state, kind, evidence against the budget, and what is blamed.

Evidence is told as the number of rows in which chance alone would give as much of it once, at most:
the mean number of blocks between false alarms at evidence E is at least E (Shin, Ramdas and
Rinaldo, "E-detectors", 2022), and a block has so many rows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from taxi_domain.verdicts import BlockState, Side
from taxi_monitor.page.streams import GROUPS, stream_of
from taxi_monitor.page.words import moment, short_count
from taxi_store.verdicts.block_verdict import BlockVerdict

#: Decades below the alarm from which on a verdict is suspected.
SUSPECTED_BELOW: Final = 1.0
#: Decades that a meter goes beyond the alarm.
_BEYOND: Final = 1.0
_MAX_BLAMED: Final = 8
_NO_KIND: Final = "None"


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the verdict, what it means, and what helps.

    Attributes:
        text: As people read it.
        means: A sentence.
        advice: What one may do; empty for nothing.
    """

    text: str
    means: str
    advice: str = ""


STATES: Final[Mapping[str, Word]] = {
    "ok": Word("No alarm", "Nothing speaks for a change."),
    "suspected": Word("Suspected", "A tenth of the evidence of an alarm is there."),
    "alarm": Word("Alarm", "The evidence is above what the budget of false alarms allows."),
    "short": Word(
        "Not decided",
        "The block has too few rows, or the reference is too short for blocks of this size.",
    ),
    "none": Word(
        "Not judged yet",
        "No block of this version was judged yet; one that was trained by an "
        "older release has to be trained anew for that.",
    ),
}
KINDS: Final[Mapping[str, Word]] = {
    _NO_KIND: Word("no drift", "Neither inputs nor error moved."),
    "Benign": Word(
        "benign drift", "The inputs moved, and the model is as good as before.",
        "Nothing has to be done; training on them is possible.",
    ),
    "ExpectedHarm": Word(
        "harm is expected", "The inputs moved to where the model is worse; labels are to come.",
        "Train a candidate, and promote it when labels are there.",
    ),
    "HarmfulCovariate": Word(
        "harmful drift of the inputs", "The inputs moved, and the error grew with them.",
        "Retrain on old and new rows.",
    ),
    "Concept": Word(
        "concept drift", "The error grew although the inputs are as before.",
        "Retrain on new rows only; do not trust the estimated error.",
    ),
    "DataFault": Word(
        "data fault", "Values are missing, unseen or refused more often than in training.",
        "Find the fault upstream; do not train on these rows.",
    ),
    "Blind": Word(
        "blind", "The inputs moved, and labels have been missing for too long to tell the error.",
        "Find out why no labels come.",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Meter:
    """Evidence on a scale of decades, percentages from the left.

    Attributes:
        place: Of the evidence.
        suspected: From where on it is suspected.
        alarm: From where on it is an alarm.
        text: `once in 42k rows`.
    """

    place: float
    suspected: float
    alarm: float
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """A group of streams, or one stream, with its evidence.

    Attributes:
        text: What it is.
        column: Column that it is about; empty without.
        meter: Its evidence; None when it has none.
        state: `ok`, `suspected`, `alarm` or `none`.
    """

    text: str
    column: str
    meter: Meter | None
    state: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The verdict of a version now.

    Attributes:
        state: Key of `STATES`.
        word: Its word.
        kind: Key of `KINDS`, or a word that this release does not know.
        kind_word: Its word.
        meter: Evidence of the verdict; None when nothing was judged.
        budget: `once in 100k rows`; empty when nothing was judged.
        block_rows: Rows of a block; 0 when nothing was judged.
        judged: When the last row of the last block was answered.
        groups: Groups of streams.
        blamed: Streams with most evidence.
        problems: Streams that have no score, and why.
        backfilled: Whether the last block was judged later.
        sides: How many sides were judged; each has the budget's share of false alarms.
    """

    state: str
    word: Word
    kind: str
    kind_word: Word
    meter: Meter | None
    budget: str
    block_rows: int
    judged: str
    groups: list[Part] = field(default_factory=list)
    blamed: list[Part] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    backfilled: bool = False
    sides: int = 0


def evidence_of(newest: Mapping[Side, BlockVerdict], kind: str | None = None) -> Evidence:
    """Return the verdict from the newest block of each side.

    Args:
        newest: These blocks.
        kind: Kind of drift of both sides together; None as the blocks say.
    """
    if not newest:
        return Evidence("none", STATES["none"], _NO_KIND, KINDS[_NO_KIND], None, "", 0, "–")
    blocks = list(newest.values())
    leading = leading_block(newest)
    state = _worst(blocks)
    kind = _kind_of(blocks) if kind is None else kind
    return Evidence(
        state=state,
        word=STATES[state],
        kind=kind,
        kind_word=KINDS.get(kind, Word(kind, "")),
        meter=meter_of(leading, leading.total),
        budget=_chance(leading, leading.threshold),
        block_rows=leading.rows,
        judged=moment(max(one.last_ts.timestamp() for one in blocks)),
        groups=_groups(blocks),
        blamed=_blamed(blocks),
        problems=[
            (stream_of(key).text, reason)
            for one in blocks for key, reason in one.problems.items()
        ],
        backfilled=leading.backfilled,
        sides=len(blocks),
    )  # fmt: skip


def leading_block(newest: Mapping[Side, BlockVerdict]) -> BlockVerdict:
    """Return the block with most evidence of its budget; there must be one."""
    return max(newest.values(), key=_distance)


def meter_of(block: BlockVerdict, value: float | None) -> Meter | None:
    """Return evidence on the scale of a block's budget, None without any."""
    if value is None or block.threshold is None or math.isnan(value):
        return None
    end = block.threshold + _BEYOND
    scale = 100 / end

    def place(decades: float) -> float:
        return round(min(max(decades, 0.0), end) * scale, 2)

    alarm = block.threshold
    return Meter(place(value), place(alarm - SUSPECTED_BELOW), place(alarm), _chance(block, value))


def state_at(value: float | None, threshold: float | None) -> str:
    """Return what evidence says by itself: `ok`, `suspected`, `alarm` or `none`.

    >>> state_at(1.5, 2.3), state_at(0.2, 2.3), state_at(None, 2.3)
    ('suspected', 'ok', 'none')
    """
    if value is None or threshold is None or math.isnan(value):
        return "none"
    if value >= threshold:
        return "alarm"
    return "suspected" if value >= threshold - SUSPECTED_BELOW else "ok"


def chance_rows(block_rows: int, value: float) -> float:
    """Return in how many rows chance alone gives as much evidence once.

    >>> chance_rows(500, 2.0)
    50000.0
    """
    return float(block_rows * 10 ** min(max(value, 0.0), 30.0))


def _chance(block: BlockVerdict, value: float | None) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"once in {short_count(chance_rows(block.rows, value))} rows"


def _distance(block: BlockVerdict) -> float:
    """Return how far a block is above its threshold, in decades."""
    if block.total is None or block.threshold is None:
        return -math.inf
    return block.total - block.threshold


def _worst(blocks: Sequence[BlockVerdict]) -> str:
    order = (BlockState.SHORT, BlockState.OK, BlockState.SUSPECTED, BlockState.ALARM)
    return str(max((one.state for one in blocks), key=order.index))


def _kind_of(blocks: Sequence[BlockVerdict]) -> str:
    """Return the kind that the newest block names; of those that are no drift the other one."""
    newest = sorted(blocks, key=lambda one: one.cursor.stored_at, reverse=True)
    return next((one.kind for one in newest if one.kind != _NO_KIND), _NO_KIND)


def _groups(blocks: Sequence[BlockVerdict]) -> list[Part]:
    found: dict[str, tuple[BlockVerdict, float]] = {}
    for block in blocks:
        for name, value in block.groups.items():
            if name not in found or value > found[name][1]:
                found[name] = (block, value)
    names = [*GROUPS, *sorted(found.keys() - GROUPS.keys())]
    return [_part(GROUPS.get(name, name), "", *found[name]) for name in names if name in found]


def _blamed(blocks: Sequence[BlockVerdict]) -> list[Part]:
    # A side that is calm blames nothing.
    loud = [one for one in blocks if one.state in {BlockState.SUSPECTED, BlockState.ALARM}]
    found = [
        (block.evidence.get(key, math.nan), block, key)
        for block in loud or blocks
        for key in block.blamed
    ]
    found.sort(key=lambda one: -one[0] if one[0] == one[0] else math.inf)
    parts = []
    for value, block, key in found[:_MAX_BLAMED]:
        stream = stream_of(key)
        parts.append(_part(stream.text, stream.column, block, value))
    return parts


def _part(text: str, column: str, block: BlockVerdict, value: float) -> Part:
    return Part(text, column, meter_of(block, value), state_at(value, block.threshold))
