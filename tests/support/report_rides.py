"""A report of the shipped rides: the collapse of March 2020, answered by a simple model."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from support.taxi_columns import (
    DISTANCE,
    DROPOFF,
    PICKUP,
    SCHEMA,
    taxi_reference,
    taxi_rides,
    usual,
)
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference
from taxi_report.document import Document, Served, VersionFacts, document_of
from taxi_report.profile.layout import layout_of
from taxi_report.profile.version import profile_of
from taxi_report.rows import Rows
from taxi_report.spans import Span
from taxi_report.subject import Subject
from taxi_schema.columns.rows import LabelledRows

Floats = NDArray[np.float64]

ZONE: Final = ZoneInfo("America/New_York")
MODEL: Final = "taxi-duration"
VERSION: Final = "v-20200313-1a2b3c"
SAMPLE_ROWS: Final = 5000


@dataclass(frozen=True)
class Collapse:
    """One version's rows and what the report computes from them."""

    expected: Rows
    current: Rows
    before: Rows
    facts: VersionFacts


def model_of(rides: LabelledRows) -> Floats:
    """Return coefficients that predict a duration from distance and hour."""
    solved = np.linalg.lstsq(_inputs(rides), rides.target, rcond=None)[0]
    return np.asarray(solved, np.float64)


def rows_of(rides: LabelledRows, model: Floats, *, labelled: float, prefix: str) -> Rows:
    """Return rides as rows of the log; `labelled` is the share, the oldest, that has a label."""
    rows = len(rides)
    random = np.random.default_rng(rows)
    # The clocks of New York were four hours behind UTC from 8 March on.
    ts = np.sort(rides.moments) + 4 * 3600 + 1
    known = np.arange(rows) < labelled * rows
    return Rows(
        ids=[f"{prefix}-{place:06d}" for place in range(rows)],
        ts=ts,
        moments=rides.moments,
        timed=np.ones(rows, dtype=bool),
        roles=["champion"] * rows,
        columns={
            PICKUP: rides.columns[PICKUP].astype(np.float64),
            DROPOFF: rides.columns[DROPOFF].astype(np.float64),
            DISTANCE: rides.columns[DISTANCE],
            PREDICTION: np.clip(_inputs(rides) @ model, 1.0, 90.0),
        },
        labels=np.where(known, rides.target, np.nan),
        lags=np.where(known, rides.target * 60 + random.exponential(90, rows), np.nan),
        latencies=random.lognormal(-6.2, 0.3, rows),
    )


def reference_of_rows(rows: Rows) -> Reference:
    """Return the reference that training makes of labelled rows."""
    inputs = {name: rows.columns[name] for name in (PICKUP, DROPOFF, DISTANCE, PREDICTION)}
    return taxi_reference({**inputs, TARGET: rows.labels, MOMENT: rows.moments})


def span_of(rows: Rows) -> Span:
    """Return the whole hours that rows were answered in."""
    first, last = float(rows.ts[0]), float(rows.ts[-1])
    return Span(
        datetime.fromtimestamp(first // 3600 * 3600, UTC),
        datetime.fromtimestamp(last // 3600 * 3600 + 3600, UTC),
        ZONE,
    )


def compared(expected: Rows, current: Rows, before: Rows | None) -> VersionFacts:
    """Profile rows with the reference that the expected ones make."""
    reference, span = reference_of_rows(expected), span_of(current)
    layout = layout_of(
        VERSION, SCHEMA, reference, span=(span.start.timestamp(), span.end.timestamp()),
        sample_rows=SAMPLE_ROWS,
    )  # fmt: skip
    old = None if before is None else profile_of(before, layout)
    return VersionFacts(
        layout, reference, profile_of(expected, layout), profile_of(current, layout), old
    )


@cache
def collapse() -> Collapse:
    """Return the collapse: reference of early March, span from 22 March on."""
    old = taxi_rides("green-2020-03-before.parquet")
    # Labels of the log are whatever meters say, so rides of any duration are served.
    distance = old.columns[DISTANCE]
    served = old[np.isfinite(distance) & (distance > 0) & (distance <= 100)]
    known = usual(served)
    model = model_of(known[:20_000])
    expected = rows_of(known[20_000:120_000:2], model, labelled=1.0, prefix="reference")
    new = usual(taxi_rides("green-2020-03-after.parquet"))
    current = rows_of(new, model, labelled=0.93, prefix="ride")
    before = rows_of(served[-15_000:], model, labelled=1.0, prefix="earlier")
    return Collapse(expected, current, before, compared(expected, current, before))


@cache
def collapse_document() -> Document:
    """Return the report of the collapse with something of everything that may be missing."""
    found = collapse()
    served = Served(
        rows=len(found.current) + 17, rows_before=len(found.before), refused=120, unlogged=3,
        unreadable={"predictions": 2},
        unprofiled={"v-20200101-ffffff": (17, "its artifact is gone")},
    )  # fmt: skip
    problems = ["2 of 200 partitions could not be read (1,204 rows are not in this report)"]
    subject = Subject(MODEL, span_of(found.current), None)
    return document_of(subject, served, [found.facts], problems)


def _inputs(rides: LabelledRows) -> Floats:
    hour = rides.moments % 86_400 / 86_400 * 2 * np.pi
    distance = rides.columns[DISTANCE]
    return np.column_stack(
        [np.ones(len(rides)), distance, np.sqrt(distance), np.sin(hour), np.cos(hour)]
    )
