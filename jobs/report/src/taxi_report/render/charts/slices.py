"""Error with its interval, and drift of the predictions, for every cell of a slice."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from taxi_report.render.charts.svg import WIDTH, Scale, drawing, element, shortened, ticks
from taxi_report.render.numbers import count, number, percent

_LABEL: Final = 132.0
_ROWS: Final = 188.0
_LEFT: Final = 200.0
_MIDDLE: Final = 470.0
_DRIFT: Final = 500.0
_RIGHT: Final = WIDTH - 10.0
_TOP: Final = 26.0
_STEP: Final = 18.0


def slice_chart(
    name: str, cells: Sequence[Mapping[str, Any]], overall: float | None, identity: str
) -> Markup:
    """Draw the cells of one slice.

    Args:
        name: Of the slice.
        cells: Entries of `slices`, or of `worst_slices`.
        overall: Mean absolute error of all rows; a vertical line.
        identity: Unique in the page.
    """
    known = [one["mae"]["high"] or one["mae"]["mae"] for one in cells if one["mae"]]
    known += [one["reference_mae"] for one in cells if one["reference_mae"] is not None]
    # A cell with few rows has a wide interval; it is cut rather than all others pressed flat.
    means = [one["mae"]["mae"] for one in cells if one["mae"]] + ([overall] if overall else [])
    most = min(max(known, default=1.0), 2.5 * max(means, default=1.0)) or 1.0
    has_drift = any(one["prediction_drift"] is not None for one in cells)
    errors = Scale(0.0, most, _LEFT, _MIDDLE if has_drift else _RIGHT)
    drifts = [one["prediction_drift"] for one in cells if one["prediction_drift"] is not None]
    drift = Scale(0.0, max([0.2, *drifts]), _DRIFT, _RIGHT)
    bottom = _TOP + _STEP * len(cells)
    return drawing(
        identity,
        f"Error and drift of the predictions by {name}",
        _description(cells),
        (WIDTH, bottom + 22),
        *_axis(errors, bottom, "mean absolute error"),
        *(_axis(drift, bottom, "drift of predictions") if has_drift else []),
        *_overall(overall, errors, bottom),
        *(part for row, one in enumerate(cells) for part in _cell(one, row, errors, drift)),
    )


def _description(cells: Sequence[Mapping[str, Any]]) -> str:
    evaluated = [one for one in cells if one["mae"]]
    if not evaluated:
        return "No labelled rows"
    worst = max(evaluated, key=lambda one: float(one["mae"]["mae"]))
    return (
        f"Largest mean absolute error: {worst['value']} with {number(worst['mae']['mae'])}"
        f"{_range(worst['mae'])}"
    )


def _range(mae: Mapping[str, Any]) -> str:
    if mae["low"] is None:
        return ""
    return f" ({number(mae['low'])} to {number(mae['high'])})"


def _axis(scale: Scale, bottom: float, title: str) -> list[Markup]:
    found = [
        element(
            "text", title, x=(scale.start + scale.end) / 2, y=12, class_="tick title",
            text_anchor="middle",
        )
    ]  # fmt: skip
    for tick in ticks(scale.low, scale.high, 5 if scale.start == _LEFT else 2):
        x = scale.at(tick)
        found.append(element("line", x1=x, x2=x, y1=_TOP - 6, y2=bottom, class_="grid"))
        found.append(
            element("text", number(tick), x=x, y=bottom + 14, class_="tick", text_anchor="middle")
        )
    return found


def _overall(overall: float | None, errors: Scale, bottom: float) -> list[Markup]:
    if overall is None:
        return []
    x = errors.at(overall)
    return [element("line", x1=x, x2=x, y1=_TOP - 6, y2=bottom, class_="level overall")]


def _cell(one: Mapping[str, Any], row: int, errors: Scale, drift: Scale) -> list[Markup]:
    y = _TOP + _STEP * (row + 0.5)
    text = (
        f"{one['value']}: {count(one['rows'])} rows ({percent(one['share'])}), "
        f"reference {percent(one['reference_share'])}"
    )
    found = [
        element(
            "text", element("title", text), shortened(one["value"], 20), x=_LABEL, y=y + 3.5,
            class_="label", text_anchor="end",
        ),
        element("text", count(one["rows"]), x=_ROWS, y=y + 3.5, class_="tick", text_anchor="end"),
    ]  # fmt: skip
    if one["prediction_drift"] is not None:
        found.append(
            element(
                "rect", element("title", f"{one['value']}: {number(one['prediction_drift'])}"),
                x=_DRIFT, y=y - 4, width=max(drift.at(one["prediction_drift"]) - _DRIFT, 0.5),
                height=8, class_="bar drift",
            )
        )  # fmt: skip
    if one["reference_mae"] is not None:
        x = errors.at(one["reference_mae"])
        found.append(
            element("path", element("title", f"reference {number(one['reference_mae'])}"),
                    d=f"M{x:.1f} {y - 4.5:.1f}l4.5 4.5l-4.5 4.5l-4.5 -4.5z",
                    class_="diamond reference")
        )  # fmt: skip
    if one["mae"]:
        found += _whisker(one, y, errors)
    return found


def _whisker(one: Mapping[str, Any], y: float, errors: Scale) -> list[Markup]:
    mae = one["mae"]
    text = (
        f"{one['value']}: {number(mae['mae'])}{_range(mae)} "
        f"over {count(one['labelled'])} labelled rows"
    )
    dot = element("circle", element("title", text), cx=errors.at(mae["mae"]), cy=y, r=3.6,
                  class_="dot current")  # fmt: skip
    if mae["low"] is None:
        return [dot]
    low, high = errors.at(mae["low"]), errors.at(mae["high"])
    return [element("line", x1=low, x2=high, y1=y, y2=y, class_="whisker"), dot]
