"""Traffic beside the reference's: now in words, and over time."""

import math

from taxi_domain.verdicts import Side
from taxi_monitor.page.charts.axes import axis_of
from taxi_monitor.page.charts.timeline import Frame, Level, Line, Timeline, timeline
from taxi_monitor.page.history import History
from taxi_monitor.page.words import moment, number, span
from taxi_store.verdicts.block_verdict import BlockTraffic, BlockVerdict

_HOUR = 3600.0


def traffic_words(history: History) -> str:
    """Return how much came in the last stretch; empty where that is not known.

    >>> from taxi_monitor.page.charts.axes import Axis
    >>> traffic_words(History(Axis(0.0, 1.0)))
    ''
    """
    newest = history.newest.get(Side.ROWS)
    return "" if newest is None else _told(newest.traffic)


def traffic_chart(history: History) -> Timeline | None:
    """Return the traffic over the reference's by block; None where it is known of none."""
    blocks = history.of(Side.ROWS)
    points: list[tuple[float, float]] = []
    texts: list[str] = []
    before: BlockVerdict | None = None
    for block in blocks:
        at = block.last_ts.timestamp()
        if before is not None and before.version != block.version:
            points.append((at, math.nan))
            texts.append("")
        ratio = None if block.traffic is None else block.traffic.ratio
        points.append((at, math.nan if ratio is None else ratio))
        told = _told(block.traffic)
        texts.append(f"{moment(at)}: {told}" if told else "")
        before = block
    ratios = [value for _, value in points if math.isfinite(value)]
    if before is None or not ratios:
        return None
    text = f"Last: {_told(before.traffic) or 'not known'}."
    frame = Frame(
        # From nothing on, so that half as much is half as high.
        "Traffic over the reference's", text, history.span, axis_of([0.0, 1.0, *ratios]),
        levels=(Level(1.0, "as the reference", "zero"),), marks=history.marks, most_times=2,
    )  # fmt: skip
    return timeline(frame, [Line("traffic", "rows", points, texts=texts)])


def _told(traffic: BlockTraffic | None) -> str:
    if traffic is None or traffic.ratio is None:
        return ""
    hours = traffic.hours
    return (
        f"{number(traffic.came / hours)} rows an hour, {number(traffic.ratio)} times the "
        f"reference's {number(traffic.usual / hours)} at like hours (over {span(hours * _HOUR)})"
    )
