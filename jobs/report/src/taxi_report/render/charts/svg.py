"""SVG elements and the scales that place values in them."""

import math
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

#: Units of a drawing that is half as wide as the page, and of one that is as wide.
WIDTH: Final = 640
WIDE: Final = 1120
#: Characters of a label that fit beside a chart.
MAX_LABEL: Final = 24


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values linearly to places of the drawing."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the place of a value; those beyond the ends stay at the ends."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def element(name: str, *children: str | Markup, **attributes: str | float | None) -> Markup:
    """Return an element; texts are escaped, `_` in names of attributes becomes `-`.

    >>> element("text", "a < b", x=1.25, class_="tick")
    Markup('<text x="1.25" class="tick">a &lt; b</text>')
    """
    parts = [
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    ]
    inner = Markup("").join(children)
    end = f">{inner}</{name}>" if children else "/>"
    return Markup(f"<{name}{''.join(parts)}{end}")  # noqa: S704 - all parts are escaped


def drawing(
    identity: str,
    title: str,
    description: str,
    size: tuple[float, float],
    *children: Markup,
) -> Markup:
    """Return a drawing with a title and a description for those who do not see it.

    Args:
        identity: Unique in the page.
        title: What is drawn.
        description: What it shows, in a sentence.
        size: Width and height.
        children: Its elements.
    """
    return element(
        "svg",
        element("title", title, id=f"{identity}-title"),
        element("desc", description, id=f"{identity}-desc"),
        *children,
        viewBox=f"0 0 {size[0]:g} {size[1]:g}",
        role="img",
        aria_labelledby=f"{identity}-title {identity}-desc",
        class_="chart",
    )


def line(points: list[tuple[float, float]], class_: str) -> Markup:
    """Return a line through points."""
    return element(
        "polyline", points=" ".join(f"{_plain(x)},{_plain(y)}" for x, y in points), class_=class_
    )


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round values between two ends, at most so many and one.

    >>> ticks(0, 9.3)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    if not high > low:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(one * power for one in (1, 2, 2.5, 5, 10) if one * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 12) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def shortened(text: str, most: int = MAX_LABEL) -> str:
    """Cut a label that does not fit."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _plain(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
