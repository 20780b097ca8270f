"""Whether rows are fit for training at all."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taxi_domain.errors import TaxiError
from taxi_schema.column import Kind
from taxi_schema.columns.arrays import is_missing
from taxi_schema.columns.limits import evaluated
from taxi_schema.columns.rows import LabelledRows, joined
from taxi_schema.refusals import limits_text
from taxi_schema.schema import Schema
from taxi_train.data.rows import within_limits
from taxi_train.data.split import Split

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_HOUR: Final = 3600.0
_MIDDLE: Final = (0.05, 0.95)


class DataQualityError(TaxiError):
    """The rows must not be trained on; another try with the same rows is useless.

    Attributes:
        reason: Word for machines.
        figure: What was measured.
    """

    def __init__(self, reason: str, figure: float, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.figure = figure


@dataclass(frozen=True, slots=True)
class QualityRules:
    """What rows must be like; shares are of all rows (null, out of range) or of those to fit on.

    Attributes:
        min_rows: Fewest rows to fit on.
        min_span_hours: Shortest time in which the middle nine tenths of the events happen.
        max_null: Largest share without a required value or a label.
        max_missing: Largest share without an event time.
        max_unseen: Largest share of rows with a category that the champion never saw.
        max_repeated: Largest share of rows that repeat others in everything.
        max_leaked: Largest share of the gate's rows that repeat one to fit on in everything.
        max_out_of_range: Largest share of rows whose labels are outside the target's limits.
        min_label_spread: Smallest standard deviation of the labels, as a share of the reference's.
        min_distinct: Distinct values of the target and of each number that are enough; fewer
            are enough where the reference has fewer than twice as many.
    """

    min_rows: int = 1000
    min_span_hours: float = 3.0
    max_null: float = 0.1
    max_missing: float = 0.9
    max_unseen: float = 0.5
    max_repeated: float = 0.5
    max_leaked: float = 0.2
    max_out_of_range: float = 0.3
    min_label_spread: float = 0.1
    min_distinct: int = 50


def usable(
    schema: Schema, rows: LabelledRows, rules: QualityRules, trainable: Mask | None = None
) -> LabelledRows:
    """Check all rows of a file and return those that can be trained on.

    Args:
        schema: Of the rows.
        rows: All of the file; what could not be read is missing.
        rules: What they must be like.
        trainable: Which rows these are, shape (n,); None: those within the limits.

    Raises:
        DataQualityError: names what is wrong and the figure.
    """
    check_limits(schema, rows, rules)
    kept = rows[within_limits(schema, rows) if trainable is None else trainable]
    _check_count(kept, rules)
    _check_categories(schema, kept)
    if not np.ptp(kept.target):
        raise _little_spread(schema, 0.0)
    if schema.event_time is not None:
        _check_share("Missing", np.isnat(kept.event_times), rules.max_missing, _no_time(schema))
        _check_span(kept, rules)
    return kept


def check_limits(schema: Schema, rows: LabelledRows, rules: QualityRules) -> None:
    """Check how many rows are left out because of what is missing, or of their labels.

    Raises:
        DataQualityError: too many.
    """
    required = [column for column in schema.columns if not column.nullable]
    null = np.isnan(rows.target)
    for column in required:
        null = null | is_missing(column, rows.columns[column.name])
    names = ", ".join([*(column.name for column in required), schema.target.name])
    _check_share("Null", null, rules.max_null, f"of the rows have no {names}; look at the source")
    target = schema.target
    outside = ~np.isnan(rows.target) & ~evaluated(target, rows.target)
    _check_share(
        "LabelRange", outside, rules.max_out_of_range,
        "of the labels are outside of the target's limits "
        f"({limits_text(target.minimum, target.maximum)} {target.unit}".replace("( ", "(").rstrip()
        + "); look at the source of the labels and its unit",
    )  # fmt: skip


def check(schema: Schema, parts: Split, reference: LabelledRows, rules: QualityRules) -> None:
    """Check rows within the limits before a fit.

    Args:
        schema: Of all rows.
        parts: New rows, cut for their purposes.
        reference: What the champion was trained on.
        rules: What they must be like.

    Raises:
        DataQualityError: names what is wrong and the figure.
    """
    rows = parts.fit
    _check_count(rows, rules)
    _check_categories(schema, rows)
    _check_distinct(schema, rows, reference, rules)
    spread = float(rows.target.std())
    if spread < rules.min_label_spread * reference.target.std() or not spread:
        raise _little_spread(schema, spread)
    _check_share(
        "Unseen", _unseen(schema, rows, reference), rules.max_unseen,
        "of the rows have a category that the champion never saw; look at the source",
    )  # fmt: skip
    # Without event times equal rows are ordinary.
    if schema.event_time is not None:
        _check_times(schema, parts, rules)


def _check_times(schema: Schema, parts: Split, rules: QualityRules) -> None:
    rows = parts.fit
    _check_span(rows, rules)
    _check_share("Missing", np.isnat(rows.event_times), rules.max_missing, _no_time(schema))
    keys = _keys(joined([rows, parts.choose, parts.gate]))
    fit, trained = keys[: len(rows)], keys[: len(rows) + len(parts.choose)]
    _, first = np.unique(fit, return_index=True)
    repeated = np.ones(len(rows), np.bool_)
    repeated[first] = False
    _check_share(
        "Repeated", repeated, rules.max_repeated,
        "of the rows are repeats of others; look at the log",
    )  # fmt: skip
    _check_share(
        "Leaked", np.isin(keys[len(trained) :], trained), rules.max_leaked,
        "of the rows for the comparison repeat rows to train on; look at the log",
    )  # fmt: skip


def _check_count(rows: LabelledRows, rules: QualityRules) -> None:
    if len(rows) < rules.min_rows:
        raise DataQualityError(
            "TooFewRows", len(rows),
            f"{len(rows)} rows to train on, {rules.min_rows} are needed; wait for more labels",
        )  # fmt: skip


def _check_categories(schema: Schema, rows: LabelledRows) -> None:
    for column in schema.columns:
        if column.kind is not Kind.CATEGORY:
            continue
        distinct = len(set(rows.columns[column.name].tolist()))
        if distinct > column.max_categories:
            raise DataQualityError(
                "TooManyCategories", distinct,
                f"{column.name}: {distinct} categories, more than max_categories "
                f"{column.max_categories}; raise it in the schema, or leave the column out",
            )  # fmt: skip


def _check_distinct(
    schema: Schema, rows: LabelledRows, reference: LabelledRows, rules: QualityRules
) -> None:
    for name, new, old in _numbers(schema, rows, reference):
        distinct, before = len(np.unique(new)), len(np.unique(old))
        if distinct < min(rules.min_distinct, before / 2):
            raise DataQualityError(
                "TooFewDistinct", distinct,
                f"{name}: {distinct} different values in {len(rows)} rows, the champion's "
                f"reference has {before}; look at the source",
            )  # fmt: skip


def _numbers(
    schema: Schema, rows: LabelledRows, reference: LabelledRows
) -> Iterable[tuple[str, Floats, Floats]]:
    for column in schema.inputs:
        if column.kind is Kind.NUMBER:
            yield column.name, rows.columns[column.name], reference.columns[column.name]
    yield schema.target.name, rows.target, reference.target


def _unseen(schema: Schema, rows: LabelledRows, reference: LabelledRows) -> Mask:
    """Tell which rows have a category that the reference has not; missing is no category.

    A column that is new in the schema has no value in the reference: nothing is unseen there.
    """
    unseen = np.zeros(len(rows), np.bool_)
    for column in schema.inputs:
        if column.kind is not Kind.CATEGORY:
            continue
        values, seen = rows.columns[column.name], reference.columns[column.name]
        if is_missing(column, seen).all():
            continue
        known = np.isin(_plain(values), _plain(seen))
        unseen |= ~known & ~is_missing(column, values)
    return unseen


def _little_spread(schema: Schema, spread: float) -> DataQualityError:
    figure = f"{spread:.3g} {schema.target.unit}".rstrip()
    return DataQualityError(
        "LabelSpread", spread,
        f"{schema.target.name}: has a standard deviation of {figure} only; look at the source of "
        "the labels",
    )  # fmt: skip


def _no_time(schema: Schema) -> str:
    assert schema.event_time is not None
    return f"of the rows have no {schema.event_time.name}; look at the clients"


def _check_span(rows: LabelledRows, rules: QualityRules) -> None:
    span = _span_hours(rows)
    if span < rules.min_span_hours:
        raise DataQualityError(
            "ShortSpan", span,
            f"most events are within {span:.1f} hours, {rules.min_span_hours:.1f} are needed; "
            "wait for events of other hours",
        )  # fmt: skip


def _span_hours(rows: LabelledRows) -> float:
    """Return within how many hours the middle nine tenths of the events happen.

    By the event times, since the model sees these, and one wrong date must not count; by the
    time of the answers when no event time is known.
    """
    moments = rows.moments
    known = moments[np.isfinite(moments)]
    times = known if len(known) else rows.answered
    return float(np.ptp(np.quantile(times, _MIDDLE))) / _HOUR


def _check_share(reason: str, bad: Mask, most: float, text: str) -> None:
    share = float(bad.mean()) if len(bad) else 0.0
    if share > most:
        raise DataQualityError(reason, share, f"{share:.0%} {text}")


def _keys(rows: LabelledRows) -> NDArray[np.int64]:
    """Return a number for each row, equal where rows are equal in everything."""
    columns = [*rows.columns.values(), rows.event_times.astype(np.int64), rows.target]
    codes = [np.unique(_plain(column), return_inverse=True)[1] for column in columns]
    keys: NDArray[np.int64] = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)[1]
    return keys.reshape(-1)


def _plain(column: NDArray[Any]) -> NDArray[Any]:
    """Return strings as numpy's own, which it compares and sorts fast."""
    return column.astype(np.str_) if column.dtype == object else column
