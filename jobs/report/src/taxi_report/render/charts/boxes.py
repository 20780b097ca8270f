"""Quantiles of the error as boxes: the span, the reference, the span before."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from markupsafe import Markup

from taxi_report.render.charts.svg import WIDE, Scale, drawing, element, ticks
from taxi_report.render.numbers import percent, signed

_LEFT: Final = 110.0
_RIGHT: Final = WIDE - 24.0
_TOP: Final = 8.0
_STEP: Final = 30.0

#: Name, class and `performance` of a side.
Side = tuple[str, str, Mapping[str, Any]]


def error_boxes(
    sides: Sequence[tuple[str, str, Mapping[str, Any] | None]],
    shares: Sequence[float],
    identity: str,
) -> Markup:
    """Draw boxes from the first to the last quantile, darker towards the middle.

    Args:
        sides: Name, class and `performance` of each side; None is left out.
        shares: Of the quantiles.
        identity: Unique in the page.
    """
    shown = [(name, class_, found) for name, class_, found in sides if found]
    values = [one for _, _, found in shown for one in found["error_quantiles"]]
    low, high = min(0.0, *values), max(0.0, *values)
    places = Scale(low, high if high > low else low + 1, _LEFT, _RIGHT)
    bottom = _TOP + _STEP * len(shown)
    median = len(shares) // 2
    texts = "; ".join(
        f"{name}: median {signed(found['error_quantiles'][median])}" for name, _, found in shown
    )
    return drawing(
        identity,
        "Quantiles of the error, prediction minus label",
        texts,
        (WIDE, bottom + 20),
        *_axis(places, bottom),
        *(
            part
            for row, side in enumerate(shown)
            for part in _box(side, shares, _TOP + _STEP * (row + 0.5), places)
        ),
    )


def _axis(places: Scale, bottom: float) -> list[Markup]:
    found = []
    for tick in ticks(places.low, places.high, 7):
        x = places.at(tick)
        class_ = "grid zero" if tick == 0 else "grid"
        found.append(element("line", x1=x, x2=x, y1=_TOP, y2=bottom, class_=class_))
        found.append(
            element("text", signed(tick), x=x, y=bottom + 14, class_="tick", text_anchor="middle")
        )
    return found


def _box(side: Side, shares: Sequence[float], y: float, places: Scale) -> list[Markup]:
    name, class_, performance = side
    quantiles = performance["error_quantiles"]
    found = [element("text", name, x=_LEFT - 10, y=y + 3.5, class_="label", text_anchor="end")]
    edges = list(zip(shares, quantiles, strict=True))
    for (low_share, low), (high_share, high) in pairwise(edges):
        middle = 1 - abs(low_share + high_share - 1)
        size = 18.0 if middle > 0.5 else 8.0 if middle > 0.1 else 2.0
        text = (
            f"{name}, {percent(low_share)} to {percent(high_share)}: "
            f"{signed(low)} to {signed(high)}"
        )
        found.append(
            element(
                "rect", element("title", text), x=places.at(low), y=y - size / 2,
                width=max(places.at(high) - places.at(low), 0.5), height=size,
                class_=f"bar {class_}",
            )
        )  # fmt: skip
    x = places.at(quantiles[len(quantiles) // 2])
    found.append(element("line", x1=x, x2=x, y1=y - 11, y2=y + 11, class_="median"))
    return found
