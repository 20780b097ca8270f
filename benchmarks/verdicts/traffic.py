"""Rows as they come to a predictor: served or refused in time, labelled some time later."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_schema.columns.limits import refusals
from taxi_schema.columns.rows import LabelledRows, joined
from taxi_schema.schema import Schema

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests in the order in which they come; every array has length n.

    Attributes:
        rows: With labels (NaN where none ever comes) and, once a model answered, predictions.
        arrived: Times of the requests, local seconds since 1970-01-01 00:00, ascending. Event
            times may be missing or wrong, these never.
        known: When the label is stored, in the same seconds; infinite where none ever is.
        refused: The column for which the request is refused, empty where it is served.
    """

    rows: LabelledRows
    arrived: Floats
    known: Floats
    refused: NDArray[Any]

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.arrived)

    def __getitem__(self, chosen: slice | Mask | NDArray[np.int64]) -> "Traffic":
        """Return some of the requests."""
        return Traffic(
            self.rows[chosen], self.arrived[chosen], self.known[chosen], self.refused[chosen]
        )

    def with_column(self, name: str, values: NDArray[Any]) -> "Traffic":
        """Return the requests with other values in a column."""
        return replace(self, rows=replace(self.rows, columns={**self.rows.columns, name: values}))

    def with_target(self, target: Floats) -> "Traffic":
        """Return the requests with other labels; those without one stay without."""
        return replace(self, rows=replace(self.rows, target=target))

    def with_event_times(self, times: NDArray[np.datetime64]) -> "Traffic":
        """Return the requests with other event times, which come when they came."""
        return replace(self, rows=replace(self.rows, event_times=times))


@dataclass(frozen=True, slots=True)
class Step:
    """What came since the step before.

    Attributes:
        rows: Served rows with predictions, in the order of their coming; targets are NaN.
        moments: Their event times in local seconds, that of the request where they have none.
        labelled: Served rows with predictions and targets, in the order in which labels came; any
            label, within the target's limits or not.
        labelled_moments: As `moments`.
        refused: Refused requests by column.
        requests: Requests of the whole stream up to the end of the step.
    """

    rows: LabelledRows
    moments: Floats
    labelled: LabelledRows
    labelled_moments: Floats
    requests: int
    refused: Mapping[str, int] = field(default_factory=dict)


def traffic_of(schema: Schema, rows: LabelledRows, lag: Floats) -> Traffic:
    """Return requests at their event times, which all rows have, in that order.

    Args:
        schema: Of the rows.
        rows: With labels.
        lag: Seconds until the label is stored, shape (n,).
    """
    known = np.where(np.isfinite(rows.target), rows.moments + lag, np.inf)
    return refusing(schema, Traffic(rows, rows.moments, known, np.full(len(rows), "", object)))


def refusing(schema: Schema, traffic: Traffic) -> Traffic:
    """Return the traffic with what a predictor refuses by the schema; what was refused stays so."""
    refused = traffic.refused.copy()
    for reason, mask in refusals(schema, traffic.rows.columns).items():
        refused[mask & (refused == "")] = reason.column
    return replace(traffic, refused=refused)


def after(first: Traffic, second: Traffic) -> Traffic:
    """Return the requests of both, one after the other."""
    return Traffic(
        joined([first.rows, second.rows]),
        np.concatenate([first.arrived, second.arrived]),
        np.concatenate([first.known, second.known]),
        np.concatenate([first.refused, second.refused]),
    )


def steps(traffic: Traffic, size: int) -> Iterator[Step]:
    """Yield the traffic in steps of so many served rows; a rest that is shorter is left out.

    Args:
        traffic: With predictions of the served rows.
        size: Served rows of a step.
    """
    served = np.flatnonzero(traffic.refused == "")
    moments = np.where(np.isnat(traffic.rows.event_times), traffic.arrived, traffic.rows.moments)
    by_label = served[np.argsort(traffic.known[served], kind="stable")]
    known = traffic.known[by_label]
    hidden = traffic.rows.target * np.nan
    requests = labels = 0
    for start in range(0, len(served) - size + 1, size):
        chosen = served[start : start + size]
        end = int(chosen[-1]) + 1
        ready = int(np.searchsorted(known, traffic.arrived[end - 1], side="right"))
        labelled = by_label[labels:ready]
        rows = traffic.rows[chosen]
        yield Step(
            replace(rows, target=hidden[chosen]), moments[chosen],
            traffic.rows[labelled], moments[labelled], end,
            _counts(traffic.refused[requests:end]),
        )  # fmt: skip
        requests, labels = end, ready


def _counts(refused: NDArray[Any]) -> Mapping[str, int]:
    names, counts = np.unique(refused[refused != ""].astype(str), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))
