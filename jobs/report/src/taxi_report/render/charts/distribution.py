"""A column's distribution over the span, beside the reference and the span before."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from taxi_report.render.charts.svg import WIDTH, Scale, drawing, element, line, shortened, ticks
from taxi_report.render.numbers import percent

_LEFT: Final = 46.0
_RIGHT: Final = WIDTH - 8.0
_TOP: Final = 14.0
_BOTTOM: Final = 190.0
_HEIGHT: Final = 232.0
#: Bars of a category that stand for several: `other` and `unseen`, the last ones.
_UNNAMED: Final = 2


def distribution_chart(column: Mapping[str, Any], identity: str) -> Markup:
    """Draw an entry of `columns`.

    The span has bars; the reference has a line and the span before a dashed one: in steps for a
    number, a mark a bar for a category.
    """
    current, reference, before = column["current"], column["reference"], column["before"]
    numeric = bool(reference["quantiles"] or current["quantiles"])
    sides = [one["shares"] for one in (current, reference, before) if one]
    # The bar of all other categories must not press those that have a name flat.
    named = sides if numeric else [side[:-_UNNAMED] for side in sides]
    top = max((share for side in named for share in side), default=0.0)
    top = top or max((share for side in sides for share in side), default=0.0) or 1.0
    shares = Scale(0.0, top * 1.05, _BOTTOM, _TOP)
    width = (_RIGHT - _LEFT) / max(len(current["shares"]), 1)
    name = column["name"]
    return drawing(
        identity,
        f"Distribution of {name}",
        _description(current, reference),
        (WIDTH, _HEIGHT),
        *_share_axis(top * 1.05, shares),
        *_bars(current, reference, before, width, shares),
        *_marks(reference["shares"], width, shares, "reference", joined=numeric),
        *(_marks(before["shares"], width, shares, "before", joined=numeric) if before else []),
        *_labels(current["labels"], width, numeric=numeric),
    )


def _description(current: Mapping[str, Any], reference: Mapping[str, Any]) -> str:
    largest = sorted(
        zip(current["labels"], current["shares"], reference["shares"], strict=True),
        key=lambda one: -abs(one[1] - one[2]),
    )[:3]
    changes = "; ".join(f"{label}: {percent(new)}, {percent(old)}" for label, new, old in largest)
    return f"Largest differences, span and reference: {changes}"


def _share_axis(top: float, shares: Scale) -> list[Markup]:
    found = []
    for tick in ticks(0.0, top, 4):
        y = shares.at(tick)
        found.append(element("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="grid"))
        found.append(
            element("text", percent(tick), x=_LEFT - 6, y=y + 3.5, class_="tick", text_anchor="end")
        )
    return found


def _bars(
    current: Mapping[str, Any],
    reference: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    width: float,
    shares: Scale,
) -> list[Markup]:
    found = []
    for place, share in enumerate(current["shares"]):
        y = shares.at(share)
        texts = [
            f"{current['labels'][place]}: span {percent(share)}",
            f"reference {percent(reference['shares'][place])}",
            *([f"before {percent(before['shares'][place])}"] if before else []),
        ]
        found.append(
            element(
                "rect", element("title", ", ".join(texts)),
                x=_LEFT + place * width + 1, y=y, width=max(width - 2, 0.5),
                height=max(_BOTTOM - y, 0.0), class_="bar current",
            )
        )  # fmt: skip
        if share > shares.high:
            x = _LEFT + (place + 0.5) * width
            found.append(
                element("text", f"↑ {percent(share)}", x=x, y=_TOP - 2, class_="tick cut",
                        text_anchor="middle")
            )  # fmt: skip
    return found


def _marks(
    side: Sequence[float], width: float, shares: Scale, name: str, *, joined: bool
) -> list[Markup]:
    ends = [
        (_LEFT + place * width, _LEFT + (place + 1) * width, shares.at(share))
        for place, share in enumerate(side)
        if joined or share <= shares.high
    ]
    if joined:
        points = [point for x1, x2, y in ends for point in ((x1, y), (x2, y))]
        return [line(points, f"step {name}")]
    return [
        element("line", x1=x1 + 1, x2=x2 - 1, y1=y, y2=y, class_=f"step {name}")
        for x1, x2, y in ends
    ]


def _labels(labels: Sequence[str], width: float, *, numeric: bool) -> list[Markup]:
    if numeric:
        every = max(len(labels) // 8, 1)
        return [
            element(
                "text", label, x=_LEFT + place * width, y=_BOTTOM + 16, class_="tick",
                text_anchor="middle",
            )
            for place, label in enumerate(labels)
            if place % every == 0
        ]  # fmt: skip
    found = []
    for place, label in enumerate(labels):
        x, y = _LEFT + (place + 0.5) * width + 3, _BOTTOM + 12
        found.append(
            element(
                "text", shortened(label, 8), x=x, y=y, class_="tick", text_anchor="end",
                transform=f"rotate(-50 {x:.1f} {y:.1f})",
            )
        )  # fmt: skip
    return found
