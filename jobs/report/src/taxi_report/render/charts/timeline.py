"""Rows and error over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

from markupsafe import Markup

from taxi_report.render.charts.svg import WIDE, Scale, drawing, element, line, ticks
from taxi_report.render.numbers import count, local, moment, number, signed

_LEFT: Final = 46.0
_RIGHT: Final = WIDE - 24.0
_TOP: Final = 10.0
_MIDDLE: Final = 190.0
_ROWS_TOP: Final = 206.0
_BOTTOM: Final = 252.0
_HEIGHT: Final = 276.0
_SERIES: Final = (("mae", "series mae"), ("rmse", "series rmse"), ("bias", "series bias"))


@dataclass(frozen=True, slots=True)
class _Buckets:
    """A timeline on the axis of time.

    Attributes:
        all: The buckets, oldest first.
        seconds: Length of each.
        times: Their seconds since the epoch, as places in the drawing.
        zone: Of the times that are told.
    """

    all: Sequence[Mapping[str, Any]]
    seconds: float
    times: Scale
    zone: ZoneInfo

    def x(self, place: float) -> float:
        """Return where the bucket of a place begins; half a place later is its middle."""
        return self.times.at(self.times.low + place * self.seconds)


def timeline_chart(version: Mapping[str, Any], zone: ZoneInfo, identity: str) -> Markup:
    """Draw a version's `timeline`: MAE, RMSE and bias above, rows below.

    A stretch without labelled rows is a gap in the lines.
    """
    found, seconds = version["timeline"]["buckets"], version["timeline"]["bucket_seconds"]
    begin = local(found[0]["start"], zone).timestamp()
    times = Scale(begin, begin + len(found) * seconds, _LEFT, _RIGHT)
    buckets = _Buckets(found, seconds, times, zone)
    limit = (version["limit"] or {}).get("rmse")
    expected = (version["limit"] or {}).get("expected_rmse")
    known = [one[name] for one in found for name, _ in _SERIES if one[name] is not None]
    # One wild bucket must not press all the others flat.
    most = _typical(known, [one for one in (limit, expected) if one is not None])
    errors = Scale(min(0.0, *known, 0.0) if known else 0.0, most, _MIDDLE, _TOP)
    return drawing(
        identity,
        "Error and rows over time",
        _description(found, zone),
        (WIDE, _HEIGHT),
        *_grid(errors),
        *_level(expected, errors, "level expected"),
        *_level(limit, errors, "level limit"),
        *_time_axis(times, zone),
        *_rows(buckets),
        *(part for name, class_ in _SERIES for part in _series(buckets, name, class_, errors)),
    )


def _typical(known: Sequence[float], levels: Sequence[float]) -> float:
    ordered = sorted(known)
    if not ordered:
        return max(levels, default=1.0)
    high = ordered[min(int(len(ordered) * 0.98), len(ordered) - 1)]
    return max(min(ordered[-1], 2 * high), *levels, 1e-9) * 1.05


def _description(buckets: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> str:
    evaluated = [one for one in buckets if one["mae"] is not None]
    if not evaluated:
        return "No labelled rows"
    worst = max(evaluated, key=lambda one: float(one["mae"]))
    best = min(evaluated, key=lambda one: float(one["mae"]))
    return (
        f"The mean absolute error lies between {number(best['mae'])} "
        f"({moment(best['start'], zone)}) and {number(worst['mae'])} "
        f"({moment(worst['start'], zone)})"
    )


def _grid(errors: Scale) -> list[Markup]:
    found = []
    for tick in ticks(errors.low, errors.high):
        y = errors.at(tick)
        class_ = "grid zero" if tick == 0 else "grid"
        found.append(element("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_=class_))
        found.append(
            element("text", number(tick), x=_LEFT - 6, y=y + 3.5, class_="tick", text_anchor="end")
        )
    return found


def _level(value: float | None, errors: Scale, class_: str) -> list[Markup]:
    if value is None:
        return []
    y = errors.at(value)
    return [element("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_=class_)]


def _rows(buckets: _Buckets) -> list[Markup]:
    most = max(one["rows"] for one in buckets.all) or 1
    rows = Scale(0.0, float(most), _BOTTOM, _ROWS_TOP)
    found = [
        element("text", "rows", x=_LEFT - 6, y=_BOTTOM, class_="tick", text_anchor="end"),
        element(
            "text", count(most), x=_LEFT - 6, y=_ROWS_TOP + 8, class_="tick", text_anchor="end"
        ),
    ]
    for place, one in enumerate(buckets.all):
        x, end = buckets.x(place), buckets.x(place + 1)
        text = (
            f"{moment(one['start'], buckets.zone)}: {count(one['rows'])} rows, "
            f"{count(one['labelled'])} labelled"
        )
        for value, class_ in ((one["rows"], "bar rows"), (one["labelled"], "bar current")):
            y = rows.at(value)
            found.append(
                element(
                    "rect", element("title", text), x=x + 0.5, y=y,
                    width=max(end - x - 1, 0.5), height=_BOTTOM - y, class_=class_,
                )
            )  # fmt: skip
    return found


def _series(buckets: _Buckets, name: str, class_: str, errors: Scale) -> list[Markup]:
    found = []
    places = list(enumerate(buckets.all))
    for known, group in groupby(places, key=lambda one: one[1][name] is not None):
        if not known:
            continue
        stretch = [(buckets.x(place + 0.5), errors.at(one[name]), one) for place, one in group]
        if len(stretch) > 1:
            found.append(line([(x, y) for x, y, _ in stretch], class_))
        show = signed if name == "bias" else number
        found += [
            element(
                "circle",
                element("title", f"{moment(one['start'], buckets.zone)}: {name} {show(one[name])}"),
                cx=x, cy=y, r=1.8, class_=f"dot {name}",
            )
            for x, y, one in stretch
        ]  # fmt: skip
    return found


def _time_axis(times: Scale, zone: ZoneInfo) -> list[Markup]:
    found = []
    for when in _round_times(times.low, times.high, zone):
        x = times.at(when.timestamp())
        days = times.high - times.low > 2 * 86_400
        text = f"{when:%-d %b}" if days else f"{when:%H:%M}"
        found.append(element("line", x1=x, x2=x, y1=_TOP, y2=_BOTTOM, class_="grid"))
        found.append(
            element("text", text, x=x, y=_BOTTOM + 16, class_="tick", text_anchor="middle")
        )
    return found


def _round_times(low: float, high: float, zone: ZoneInfo) -> list[datetime]:
    """Return local midnights or round hours, at most nine; across a change of clocks too."""
    start = datetime.fromtimestamp(low, zone).replace(minute=0, second=0, microsecond=0)
    hours = (high - low) / 3600
    if hours > 48:
        step = max(1, round(hours / 24 / 8))
        day = start.replace(hour=0)
        steps = (day + timedelta(days=step * place) for place in range(11))
    else:
        step = next(one for one in (1, 2, 3, 6, 12) if hours / one <= 9)
        first = start.replace(hour=start.hour // step * step)
        steps = (first + timedelta(hours=step * place) for place in range(12))
    return [one for one in steps if low <= one.timestamp() <= high]
