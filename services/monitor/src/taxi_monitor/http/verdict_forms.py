"""JSON of a block of the verdict."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from taxi_domain.verdicts import Side
from taxi_store.verdicts.block_verdict import BlockTraffic, BlockVerdict

#: Newest block of each side that has one.
Newest = Mapping[Side, BlockVerdict]


class TrafficForm(Struct, frozen=True):
    """Rows an hour by the times of their events, beside the reference's at like hours."""

    ratio: Annotated[float, Meta(description="Rows that came over those of the reference.")]
    rows_per_hour: Annotated[float, Meta(description="Rows an hour that came.")]
    reference_rows_per_hour: Annotated[float, Meta(description="The same of the reference.")]
    hours: Annotated[float, Meta(description="Stretch of time that was measured last, hours.")]


class BlockForm(Struct, frozen=True, omit_defaults=True):
    """A block as JSON has it."""

    version: Annotated[str, Meta(description="Model version whose rows they are.")]
    side: Annotated[str, Meta(description="`rows`, or `labels`: in the order of their labels.")]
    block: Annotated[int, Meta(description="Number of the block, from 0 on.")]
    rows: Annotated[int, Meta(description="Its rows.")]
    first_ts: Annotated[datetime, Meta(description="Answer time of its first row.")]
    last_ts: Annotated[datetime, Meta(description="Answer time of its last row.")]
    state: Annotated[str, Meta(description="`ok`, `suspected`, `alarm` or `short`.")]
    kind: Annotated[str, Meta(description="Kind of drift.")]
    total: Annotated[float | None, Meta(description="Decimal logarithm of the evidence.")] = None
    threshold: Annotated[
        float | None, Meta(description="The same, from which on it is an alarm.")
    ] = None
    groups: Annotated[dict[str, float | None], Meta(description="Evidence by group.")] = {}
    blamed: Annotated[list[str], Meta(description="Streams, that with most evidence first.")] = []
    scores: Annotated[dict[str, float | None], Meta(description="Scores of streams.")] = {}
    evidence: Annotated[dict[str, float | None], Meta(description="Evidence of streams.")] = {}
    problems: Annotated[dict[str, str], Meta(description="Why a stream has no score.")] = {}
    backfilled: Annotated[bool, Meta(description="Judged later, over the past log.")] = False
    traffic: Annotated[TrafficForm | None, Meta(description="Of rows; shown only.")] = None


def block_form(block: BlockVerdict) -> BlockForm:
    """Return a block as JSON has it; what is not finite is null."""
    return BlockForm(
        version=block.version, side=str(block.side), block=block.block, rows=block.rows,
        first_ts=block.first_ts, last_ts=block.last_ts, state=str(block.state), kind=block.kind,
        total=_finite(block.total), threshold=_finite(block.threshold),
        groups=_all_finite(block.groups), blamed=list(block.blamed),
        scores=_all_finite(block.scores), evidence=_all_finite(block.evidence),
        problems=dict(block.problems), backfilled=block.backfilled,
        traffic=_traffic_form(block.traffic),
    )  # fmt: skip


def _traffic_form(traffic: BlockTraffic | None) -> TrafficForm | None:
    if traffic is None or traffic.ratio is None:
        return None
    hours = traffic.hours
    return TrafficForm(traffic.ratio, traffic.came / hours, traffic.usual / hours, hours)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _all_finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in values.items()}
