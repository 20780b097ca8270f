"""Evidence, its groups and scores over time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Final

from taxi_domain.verdicts import Side
from taxi_monitor.page.charts.axes import Axis, Tick
from taxi_monitor.page.charts.timeline import Frame, Level, Line, Mark, Timeline, timeline
from taxi_monitor.page.evidence import SUSPECTED_BELOW, chance_rows, state_at
from taxi_monitor.page.history import History
from taxi_monitor.page.streams import GROUPS, stream_of
from taxi_monitor.page.words import count, moment, number, short_count, span
from taxi_store.verdicts.block_verdict import BlockVerdict

#: Decades that a chart goes beyond the alarm; what is above is cut.
_BEYOND: Final = 1.6
_SIDES: Final = {Side.ROWS: "rows", Side.LABELS: "labels"}
#: Blocks of a moving mean, and the 97.5 % quantile of Student's t with one degree less.
_MOVING: Final = 8
_T: Final = 2.365


@dataclass(frozen=True, slots=True)
class BlockRow:
    """A block in the table below the charts."""

    at: str
    side: str
    block: int
    rows: str
    version: str
    evidence: str
    state: str
    kind: str
    blamed: str


def evidence_chart(history: History) -> Timeline | None:
    """Return the verdict's evidence over time with the line of the budget, None without blocks."""
    blocks = [block for side in _SIDES for block in history.of(side)]
    scale = _scale(blocks)
    if scale is None:
        return None
    lines = [
        _line(name, name, history.of(side), [block.total for block in history.of(side)])
        for side, name in _SIDES.items()
        if history.of(side)
    ]
    alarms = sum(block.state == "alarm" for block in blocks)
    text = (
        f"{len(blocks)} blocks, {alarms} of them in alarm; the alarm's line is at once in "
        f"{short_count(chance_rows(scale.block_rows, scale.threshold))} rows."
    )
    return timeline(_frame("Evidence", text, history, scale), lines)


def group_charts(history: History) -> list[Timeline]:
    """Return the evidence of each group of streams over time."""
    charts = []
    scale = _scale([block for side in _SIDES for block in history.of(side)])
    for group, title in GROUPS.items():
        lines = [
            _line(name, name, blocks, [block.groups.get(group) for block in blocks])
            for name, blocks in ((name, history.of(side)) for side, name in _SIDES.items())
            if any(group in block.groups for block in blocks)
        ]
        if lines and scale is not None:
            frame = _frame(title, f"Evidence of {title}.", history, scale)
            charts.append(timeline(replace(frame, most_times=2), lines))
    return charts


def score_charts(history: History, keys: Sequence[str]) -> list[Timeline]:
    """Return the scores of streams over time, each in its own scale."""
    charts = []
    for key in keys:
        for side, name in _SIDES.items():
            blocks = [block for block in history.of(side) if key in block.scores]
            if not blocks:
                continue
            line = scores_of(key, name, blocks)
            text = f"{len(blocks)} blocks; the last is {number(blocks[-1].scores[key])}."
            title = stream_of(key).text
            frame = Frame(title, text, history.span, marks=history.marks, most_times=3)
            charts.append(timeline(frame, [line]))
    return charts


def scores_of(key: str, css: str, blocks: Sequence[BlockVerdict]) -> Line:
    """Return a stream's score by block, with an interval of the moving mean where it can be had."""
    points: list[tuple[float, float]] = []
    low: list[float] = []
    high: list[float] = []
    texts: list[str] = []
    dots: list[float] = []
    for part in _by_version(blocks):
        values = [block.scores.get(key, math.nan) for block in part]
        means, lower, upper = _moving(part, values)
        # A version says nothing about the one before it: the line is broken in between.
        points += [
            *zip([_at(block) for block in part], means, strict=True),
            (_at(part[-1]), math.nan),
        ]
        low += [*lower, math.nan]
        high += [*upper, math.nan]
        dots += [*values, math.nan]
        told = zip(part, values, strict=True)
        texts += [*(f"{moment(_at(block))}: {number(value)}" for block, value in told), ""]
    return Line(stream_of(key).text, css, points[:-1], low[:-1], high[:-1], texts[:-1], dots[:-1])


def since(history: History, newest: BlockVerdict) -> str:
    """Return since when a block's state lasts, by the blocks of its side; empty when new."""
    begin = None
    for block in reversed(history.of(newest.side)):
        if block.version != newest.version or block.state != newest.state:
            break
        begin = block
    if begin is None or begin.block == newest.block:
        return ""
    lasts = (newest.last_ts - begin.last_ts).total_seconds()
    return f"since {moment(_at(begin))} ({span(lasts)})"


def block_rows(history: History) -> list[BlockRow]:
    """Return the blocks of the charts as rows of a table, the newest first."""
    blocks = [(side, block) for side in _SIDES for block in history.of(side)]
    blocks.sort(key=lambda one: (one[1].last_ts, one[0], one[1].block), reverse=True)
    return [
        BlockRow(
            moment(_at(block)), str(side), block.block, count(block.rows), block.version,
            "" if block.total is None else
            f"once in {short_count(chance_rows(block.rows, block.total))} rows",
            str(block.state), block.kind,
            stream_of(block.blamed[0]).text if block.blamed else "",
        )
        for side, block in blocks
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Scale:
    block_rows: int
    threshold: float


def _scale(blocks: Sequence[BlockVerdict]) -> _Scale | None:
    """Return the budget of the newest block that has one."""
    known = [block for block in blocks if block.threshold is not None]
    if not known:
        return None
    newest = max(known, key=lambda block: block.last_ts)
    return _Scale(newest.rows, newest.threshold or 0.0)


def _frame(title: str, text: str, history: History, scale: _Scale) -> Frame:
    end = scale.threshold + _BEYOND
    axis = Axis(-0.15, end)
    # Ticks are at round numbers of rows.
    block = math.log10(scale.block_rows)
    decades = range(math.ceil(block), math.floor(block + end) + 1)
    ticks = [Tick(axis.height(one - block), short_count(10.0**one)) for one in decades]
    levels = (
        Level(scale.threshold, "alarm", "alarm"),
        Level(scale.threshold - SUSPECTED_BELOW, "suspected", "suspected"),
    )
    marks: Sequence[Mark] = history.marks
    return Frame(title, text, history.span, axis, ticks, levels, marks)


def _line(
    name: str, css: str, blocks: Sequence[BlockVerdict], values: Sequence[float | None]
) -> Line:
    points: list[tuple[float, float]] = []
    texts: list[str] = []
    before = blocks[0].version if blocks else ""
    for block, value in zip(blocks, values, strict=True):
        if block.version != before:
            points.append((_at(block), math.nan))
            texts.append("")
            before = block.version
        points.append((_at(block), math.nan if value is None else max(value, 0.0)))
        is_loud = state_at(value, block.threshold) in {"suspected", "alarm"}
        texts.append(_told(name, block) if is_loud else "")
    return Line(name, css, points, texts=texts)


def _told(name: str, block: BlockVerdict) -> str:
    return f"{moment(_at(block))}: {name}, {block.state}, {block.kind}, version {block.version}"


def _by_version(blocks: Sequence[BlockVerdict]) -> list[list[BlockVerdict]]:
    return [list(part) for _, part in groupby(blocks, key=lambda block: block.version)]


def _at(block: BlockVerdict) -> float:
    return block.last_ts.timestamp()


def _moving(
    blocks: Sequence[BlockVerdict], values: Sequence[float]
) -> tuple[list[float], list[float], list[float]]:
    """Return moving means with the ends of their 95 % intervals.

    Blocks that were chosen by their evidence have no mean: the values are returned as they are.
    """
    numbers = [block.block for block in blocks]
    is_whole = all(later - sooner == 1 for sooner, later in pairwise(numbers))
    if not is_whole or len(blocks) < _MOVING:
        unknown = [math.nan] * len(values)
        return list(values), unknown, unknown
    means, low, high = [], [], []
    for end in range(1, len(values) + 1):
        part = [one for one in values[max(0, end - _MOVING) : end] if math.isfinite(one)]
        mean = sum(part) / len(part) if part else math.nan
        half = math.nan
        if len(part) == _MOVING:
            variance = sum((one - mean) ** 2 for one in part) / (len(part) - 1)
            half = _T * math.sqrt(variance / len(part))
        means.append(mean)
        low.append(mean - half)
        high.append(mean + half)
    return means, low, high
