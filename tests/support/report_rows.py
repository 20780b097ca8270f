"""Rows for tests of reports: columns of any names, drawn from known distributions."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from support.taxi_columns import CATEGORICAL, DISTANCE, SCHEMA, taxi_reference
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference
from taxi_report.profile.layout import Layout, layout_of
from taxi_report.rows import Rows

Floats = NDArray[np.float64]

#: Monday, 2021-01-04 00:00.
MONDAY = 1_609_718_400.0
DAY = 86_400.0
NUMBER = DISTANCE


def columns_of(rows: int, seed: int, stretch: float = 1.0, days: float = 28.0) -> dict[str, Floats]:
    """Draw the columns of a reference: categories, a number, what depends on it, and times."""
    draw = np.random.default_rng(seed)
    number = np.round(draw.lognormal(0.8, 0.7, rows) * stretch, 2)
    target = np.clip(3 * number + 5 + draw.normal(0, 3, rows), 1, 60)
    return {
        **{name: np.floor(200 * draw.beta(1, 3, rows)) + 1 for name in CATEGORICAL},
        NUMBER: number,
        PREDICTION: 3 * number + 5 + draw.normal(0, 0.5, rows),
        TARGET: target,
        MOMENT: MONDAY + np.sort(draw.uniform(0, days * DAY, rows)),
    }


def rows_of(
    columns: Mapping[str, Floats], labelled: float = 1.0, prefix: str = "r", seed: int = 0
) -> Rows:
    """Return columns as rows that were answered when they began."""
    count = len(columns[MOMENT])
    draw = np.random.default_rng(seed)
    labels = np.where(draw.random(count) < labelled, columns[TARGET], np.nan)
    return Rows(
        ids=[f"{prefix}{number:07d}" for number in range(count)],
        ts=columns[MOMENT],
        moments=columns[MOMENT],
        timed=np.ones(count, np.bool_),
        roles=["champion"] * count,
        columns={name: columns[name] for name in (*CATEGORICAL, NUMBER, PREDICTION)},
        labels=labels,
        lags=np.where(np.isnan(labels), np.nan, 3600.0),
        latencies=np.full(count, 0.002),
    )


def reference(rows: int = 8000) -> tuple[Reference, Rows]:
    """Return a reference and its rows."""
    columns = columns_of(rows, 1)
    return taxi_reference(columns), rows_of(columns)


def layout(
    known: Reference,
    start: float = MONDAY,
    end: float = MONDAY + 28 * DAY,
    sample_rows: int = 500,
) -> Layout:
    """Return the layout for a span, without slices of the schema."""
    schema = replace(SCHEMA, slices=())
    return layout_of("v1", schema, known, span=(start, end), sample_rows=sample_rows)
