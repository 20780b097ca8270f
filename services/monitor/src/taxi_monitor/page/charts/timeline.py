"""A chart over time: lines, levels across, marks of moments, bands of known events."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from taxi_monitor.page.charts.axes import Axis, Tick, axis_of, round_ticks, time_ticks

#: Side of the square in which paths are drawn; it is stretched to the chart.
SIDE: Final = 1000
#: A line is broken where nothing came for longer than so many of its usual steps.
_GAP: Final = 12


@dataclass(frozen=True, slots=True)
class Line:
    """Values over time.

    Attributes:
        name: For people.
        css: Ends the class of what is drawn.
        points: Seconds since the epoch, ascending, and the value; NaN or infinite leaves a gap.
        low: Lower ends of an interval about the values, as `points`; empty without one.
        high: Upper ends.
        texts: What each point says; empty for none.
        dots: Values of the points that say something, where they are not those of the line.
    """

    name: str
    css: str
    points: Sequence[tuple[float, float]]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    texts: Sequence[str] = ()
    dots: Sequence[float] = ()


def scaled(line: Line, factor: float) -> Line:
    """Return a line with its values in another unit."""
    return replace(
        line,
        points=[(at, value * factor) for at, value in line.points],
        low=[value * factor for value in line.low],
        high=[value * factor for value in line.high],
        dots=[value * factor for value in line.dots],
    )


@dataclass(frozen=True, slots=True)
class Level:
    """A line across the chart at a value."""

    value: float
    text: str
    css: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened, or lasted.

    Attributes:
        at: Seconds since the epoch.
        until: Its end; None for a moment.
        kind: `version`, `decision`, `event` or `report`.
        text: What it was.
        link: Address of more about it, relative to the root; empty without.
    """

    at: float
    until: float | None
    kind: str
    text: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Dot:
    """A point with a text."""

    x: float
    y: float
    css: str
    text: str


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """A line as a path, with its interval's area."""

    name: str
    css: str
    path: str
    area: str


@dataclass(frozen=True, slots=True)
class DrawnMark:
    """A mark; `width` is 0 for a moment."""

    x: float
    width: float
    kind: str
    text: str
    number: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """A chart over time as places.

    Attributes:
        title: What it shows, in a few words.
        text: What is to be seen in it, in a sentence, for who does not see it.
        lines: Paths in a square of `SIDE`.
        dots: Points that say something.
        levels: Lines across: percentage from the top, and the text.
        marks: What happened.
        x_ticks: Of time.
        y_ticks: Of the value.
    """

    title: str
    text: str
    lines: list[DrawnLine]
    dots: list[Dot]
    levels: list[tuple[float, str, str]]
    marks: list[DrawnMark]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


@dataclass(frozen=True, slots=True)
class Frame:
    """What a chart is drawn in.

    Attributes:
        title: What it shows.
        text: What is to be seen in it.
        time: From when to when.
        values: From which value to which; None as the lines need it.
        ticks: Of the values; None for round ones.
        levels: Lines across.
        marks: What happened; those outside of the time are left out.
        most_times: Ticks of time, at most.
    """

    title: str
    text: str
    time: Axis
    values: Axis | None = None
    ticks: Sequence[Tick] | None = None
    levels: Sequence[Level] = ()
    marks: Sequence[Mark] = ()
    most_times: int = 5


def timeline(frame: Frame, lines: Sequence[Line]) -> Timeline:
    """Place lines, levels and marks."""
    axis = frame.values or _axis(frame, lines)
    ticks = round_ticks(axis) if frame.ticks is None else list(frame.ticks)
    return Timeline(
        title=frame.title,
        text=frame.text,
        lines=[_drawn(frame.time, axis, line) for line in lines],
        dots=[dot for line in lines for dot in _dots(frame.time, axis, line)],
        levels=[(axis.height(one.value), one.text, one.css) for one in frame.levels],
        marks=drawn_marks(frame.time, frame.marks),
        x_ticks=time_ticks(frame.time, frame.most_times),
        y_ticks=ticks,
    )


def drawn_marks(time: Axis, marks: Sequence[Mark]) -> list[DrawnMark]:
    """Place the marks of a chart, numbered as they are listed."""
    drawn = []
    for place, mark in enumerate(marks, 1):
        end = mark.at if mark.until is None else mark.until
        if end < time.low or mark.at > time.high:
            continue
        x = time.place(mark.at)
        width = round(time.place(end) - x, 2)
        drawn.append(DrawnMark(x, width, mark.kind, mark.text, place))
    return drawn


def _axis(frame: Frame, lines: Sequence[Line]) -> Axis:
    values = [value for line in lines for _, value in line.points if math.isfinite(value)]
    ends = [one for line in lines for one in (*line.low, *line.high, *line.dots)]
    values += [one for one in ends if math.isfinite(one)]
    return axis_of([*values, *(level.value for level in frame.levels)])


def _drawn(time: Axis, axis: Axis, line: Line) -> DrawnLine:
    return DrawnLine(line.name, line.css, _path(time, axis, line), _area(time, axis, line))


def _path(time: Axis, axis: Axis, line: Line) -> str:
    steps = sorted(
        later[0] - sooner[0] for sooner, later in zip(line.points, line.points[1:], strict=False)
    )
    far = _GAP * steps[len(steps) // 2] if steps else math.inf
    parts: list[str] = []
    last = -math.inf
    for at, value in line.points:
        if not math.isfinite(value):
            last = -math.inf
            continue
        sign = "L" if 0 <= at - last <= max(far, (time.high - time.low) / 50) else "M"
        parts.append(f"{sign}{_x(time, at)} {_y(axis, value)}")
        last = at
    return "".join(parts)


def _area(time: Axis, axis: Axis, line: Line) -> str:
    """Return the area of an interval; empty where there is none."""
    places = [
        (at, low, high)
        for (at, _), low, high in zip(line.points, line.low, line.high, strict=False)
        if math.isfinite(low) and math.isfinite(high)
    ]
    if len(places) < 2:
        return ""
    upper = "L".join(f"{_x(time, at)} {_y(axis, high)}" for at, _, high in places)
    lower = "L".join(f"{_x(time, at)} {_y(axis, low)}" for at, low, _ in reversed(places))
    return f"M{upper}L{lower}Z"


def _dots(time: Axis, axis: Axis, line: Line) -> list[Dot]:
    values = line.dots or [value for _, value in line.points]
    return [
        Dot(time.place(at), axis.height(value), line.css, text)
        for (at, _), value, text in zip(line.points, values, line.texts, strict=False)
        if text and math.isfinite(value)
    ]


def _x(time: Axis, at: float) -> str:
    return f"{time.place(at) * SIDE / 100:g}"


def _y(axis: Axis, value: float) -> str:
    return f"{axis.height(value) * SIDE / 100:g}"
