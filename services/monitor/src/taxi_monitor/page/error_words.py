"""The error of a version in words: now, at the reference, and over time."""

import math
from dataclasses import dataclass, replace

from taxi_domain.verdicts import Side
from taxi_monitor.page.charts.timeline import Frame, Level, Line, Timeline, scaled, timeline
from taxi_monitor.page.errors import Estimate, SliceError, absolute_error, slice_errors
from taxi_monitor.page.evidence_charts import scores_of
from taxi_monitor.page.history import History
from taxi_monitor.page.words import count, number, share, signed
from taxi_monitor.windows.versions import Evaluation, WatchedVersion
from taxi_profiles.verdict import NOT_EVALUATED

_HARM = "harm"
_ESTIMATED = "estimated_harm"


@dataclass(frozen=True, slots=True)
class ErrorNow:
    """Errors of the labelled rows; texts with the unit of the target.

    Attributes:
        rows: Labelled rows.
        rmse: Root mean squared error.
        expected: What the reference had at like hours.
        limit: RMSE that exceeds the threshold, or why there is none.
        exceeded: Whether it does.
        mae: Mean absolute error.
        interval: Its 95 % interval; empty with too few rows.
        bias: Mean of prediction minus label.
    """

    rows: str
    rmse: str
    expected: str
    limit: str
    exceeded: bool
    mae: str
    interval: str
    bias: str


@dataclass(frozen=True, slots=True)
class SliceRow:
    """The error of a slice in words."""

    name: str
    rows: str
    mae: str
    interval: str
    ratio: str
    bias: str
    is_worse: bool
    low: float | None
    high: float | None
    mean: float


def error_now(watched: WatchedVersion, evaluation: Evaluation | None) -> ErrorNow | None:
    """Return the error of the labelled rows, None with too few."""
    error = evaluation.errors.error if evaluation and evaluation.errors else None
    if evaluation is None or error is None:
        return None
    unit = watched.schema.target.unit
    mae = absolute_error(evaluation.labelled)
    return ErrorNow(
        rows=count(error.rows),
        rmse=_with(number(error.rmse), unit),
        expected=_with(number(error.expected_rmse), unit),
        limit=NOT_EVALUATED if error.limit is None else f"limit {number(error.limit)}",
        exceeded=error.score_ratio is not None and error.score_ratio >= 1,
        mae=_with(number(mae.mean), unit),
        interval=_interval(mae),
        bias=_with(signed(error.bias), unit),
    )


def above_reference(history: History, unit: str) -> list[str]:
    """Return how far the error is above the reference's, real and as estimated without labels."""
    found = []
    for line in _lines(history):
        text = _above(history, line.points[-1][1], unit)
        if line.low and math.isfinite(line.low[-1]):
            text += f" ({signed(line.low[-1])} to {signed(line.high[-1])})"
        found.append(f"{line.name} {text}")
    return found


def error_unit(history: History, unit: str) -> str:
    """Say what the chart of errors is in."""
    if history.loss_limit is None:
        return "mean loss above the reference's; loss is the error over its largest usual size"
    return f"mean absolute error above the reference's, {unit or 'in its unit'}".rstrip(", ")


def error_chart(history: History, unit: str) -> Timeline | None:
    """Return the error above the reference's over time, real and as estimated without labels."""
    lines = _lines(history)
    if not lines:
        return None
    text = f"Last above the reference: {'; '.join(above_reference(history, unit))}."
    levels = (Level(0.0, "as the reference", "zero"),)
    frame = Frame(
        "Error, real and estimated", text, history.span, levels=levels, marks=history.marks
    )
    return timeline(frame, lines)


def _lines(history: History) -> list[Line]:
    sides = ((Side.LABELS, _HARM, "real"), (Side.ROWS, _ESTIMATED, "estimated"))
    found = []
    for side, key, css in sides:
        blocks = [block for block in history.of(side) if key in block.scores]
        if blocks:
            line = replace(scores_of(key, css, blocks), name=css)
            found.append(scaled(line, history.loss_limit or 1.0))
    return found


def _above(history: History, value: float, unit: str) -> str:
    return signed(value) if history.loss_limit is None else _with(signed(value), unit)


def slice_rows(watched: WatchedVersion, evaluation: Evaluation) -> list[SliceRow]:
    """Return the slices of the schema, the worst first, on a common scale of their intervals."""
    found = slice_errors(watched.schema, watched.reference, evaluation.labelled)
    top = max((_end(one) for one in found), default=0.0) or 1.0

    def place(value: float | None) -> float | None:
        return None if value is None else round(100 * max(value, 0.0) / top, 1)

    unit = watched.schema.target.unit
    return [
        SliceRow(
            name=one.name,
            rows=count(one.mae.rows),
            mae=_with(number(one.mae.mean), unit),
            interval=_interval(one.mae),
            ratio=f"{signed(100 * (one.ratio - 1), 2)} %",
            bias=_with(signed(one.bias), unit),
            is_worse=one.is_worse,
            low=place(one.mae.low),
            high=place(one.mae.high),
            mean=place(one.mae.mean) or 0.0,
        )
        for one in found
    ]  # fmt: skip


def outside_words(watched: WatchedVersion, evaluation: Evaluation | None) -> str:
    """Say which share of the newest labels no answer can reach; empty when none is."""
    ratio = evaluation.outside_ratio if evaluation else None
    if not ratio:
        return ""
    target = watched.schema.target
    low, high = target.minimum, target.maximum
    if low is not None and high is not None:
        where = f"outside of {low:g} to {high:g}"
    elif low is not None:
        where = f"below {low:g}"
    elif high is not None:
        where = f"above {high:g}"
    else:
        where = "beyond every number"
    where = _with(where, target.unit)
    return f"{share(ratio)} of the newest labels are {where} and are not evaluated."


def _interval(estimate: Estimate) -> str:
    if estimate.low is None:
        return ""
    return f"{number(max(estimate.low, 0.0))} to {number(estimate.high)}"


def _end(one: SliceError) -> float:
    return one.mae.high if one.mae.high is not None else one.mae.mean


def _with(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text
