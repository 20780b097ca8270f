"""Bars of a reference with those of a window over them."""

from collections.abc import Sequence
from dataclasses import dataclass

from taxi_monitor.page.charts.axes import Axis, Tick, round_ticks
from taxi_monitor.page.words import share


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin, or one category.

    Attributes:
        text: Which values it has.
        expected: Share of the reference in it.
        found: Share of the window.
    """

    text: str
    expected: float
    found: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A bin as places, percentages of the chart; heights are from the top."""

    x: float
    width: float
    expected: float
    found: float
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Bins as places.

    Attributes:
        title: What is shown.
        text: What is to be seen in it.
        bars: From left to right.
        x_ticks: Texts below.
        y_ticks: Shares.
    """

    title: str
    text: str
    bars: list[Bar]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


def bars_of(title: str, bins: Sequence[Bin], x_ticks: Sequence[Tick] = ()) -> Bars:
    """Place bins beside each other, each as wide as the others."""
    top = max((max(one.expected, one.found) for one in bins), default=0.0) or 1.0
    axis = Axis(0.0, top * 1.08)
    width = 100 / max(len(bins), 1)
    bars = [
        Bar(
            round(place * width, 3), round(width, 3), axis.height(one.expected),
            axis.height(one.found),
            f"{one.text}: reference {share(one.expected)}, window {share(one.found)}", one.text,
        )
        for place, one in enumerate(bins)
    ]  # fmt: skip
    ticks = [
        Tick(tick.at, share(float(tick.text)) if tick.text != "0" else "0")
        for tick in round_ticks(axis, 4)
    ]
    return Bars(title, _seen(bins), bars, list(x_ticks), ticks)


def _seen(bins: Sequence[Bin]) -> str:
    """Say which bin moved most."""
    if not bins:
        return "There is nothing to compare."
    most = max(bins, key=lambda one: abs(one.found - one.expected))
    return (
        f"The largest difference is at {most.text}: {share(most.expected)} of the reference, "
        f"{share(most.found)} of the window."
    )
