"""Traffic from block to block: all of it is in their documents, so restarts change nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import bson
import numpy as np
from bson.codec_options import CodecOptions

from taxi_domain.verdicts import BlockState, Side
from taxi_monitor.evidence.block import Block
from taxi_monitor.evidence.pieces import Piece
from taxi_monitor.evidence.traffic import traffic_of
from taxi_profiles.evidence.calibration import Calibration
from taxi_profiles.evidence.traffic import usual_traffic
from taxi_profiles.reference import MOMENT
from taxi_store.log.stored_order import Place
from taxi_store.verdicts.block_verdict import (
    BlockTraffic,
    BlockVerdict,
    Cursor,
    document_of,
    verdict_of,
)

HOUR = 3600.0
DAY = 24 * HOUR
START = datetime(2021, 3, 1, tzinfo=UTC)
LIVE = 21 * DAY
USUAL = cast("Calibration", SimpleNamespace(traffic=usual_traffic(np.arange(0, LIVE, HOUR / 100))))
AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


@dataclass(frozen=True)
class Rows:
    """Rows of an hour, 100."""

    begin: float

    def columns(self, names: Sequence[str], *, targets: bool) -> Mapping[str, Any]:
        return {MOMENT: self.begin + np.arange(100) * HOUR / 100}


def block(begin: float) -> Block:
    return Block(Side.ROWS, cast("Piece", Rows(begin)), None, Place(START, "r"))


def stored(traffic: BlockTraffic | None, *without: str) -> BlockVerdict:
    """Return the verdict of a block as another process reads it."""
    document = document_of(
        BlockVerdict(
            model="m", version="v", side=Side.ROWS, block=0, rows=100, first_ts=START,
            last_ts=START, cursor=Cursor(START, "r"), scores={}, evidence={}, groups={},
            total=None, threshold=None, state=BlockState.OK, kind="None", traffic=traffic,
        )
    )  # fmt: skip
    for name in without:
        del document["traffic"][name]
    return verdict_of(bson.decode(bson.encode(document), AWARE))


def test_rows_of_days_before_are_remembered_by_the_block() -> None:
    before: BlockVerdict | None = None
    ratios = []
    for begin in (0, 1, -48, 2, 3):
        traffic = traffic_of(USUAL, before, block(LIVE + begin * HOUR))
        before = stored(traffic)
        assert before.traffic == traffic
        ratios.append(traffic and traffic.ratio and round(traffic.ratio, 1))

    assert ratios == [None, 1.0, None, None, 1.0]


def test_blocks_of_before_go_on() -> None:
    kept = stored(BlockTraffic(LIVE, 0, 1.0, 90, 100.0), "behind")
    assert kept.traffic == BlockTraffic(LIVE, 0, 1.0, 90, 100.0)

    found = traffic_of(USUAL, kept, block(LIVE + HOUR))
    assert found is not None
    assert (found.came, found.behind) == (100, False)
