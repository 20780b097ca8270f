"""Traffic of a version's rows, from block to block, as the verdicts keep it."""

from taxi_domain.verdicts import Side
from taxi_monitor.evidence.block import Block
from taxi_profiles.evidence.calibration import Calibration
from taxi_profiles.evidence.traffic import Measured, Traffic, traffic_after
from taxi_profiles.reference import MOMENT
from taxi_store.verdicts.block_verdict import BlockTraffic, BlockVerdict


def traffic_of(
    calibration: Calibration, before: BlockVerdict | None, block: Block
) -> BlockTraffic | None:
    """Return the traffic up to a block; None where it is not known, or not asked of labels.

    Args:
        calibration: Of the version.
        before: The verdict of the block before; None before the first.
        block: The block.
    """
    if calibration.traffic is None or block.side is not Side.ROWS:
        return None
    moments = block.piece.columns((), targets=False)[MOMENT]
    known = None if before is None or before.traffic is None else _read(before.traffic)
    found = traffic_after(calibration.traffic, known, moments)
    return None if found is None else _kept(found)


def _read(kept: BlockTraffic) -> Traffic:
    whole = Measured(kept.hours, kept.came, kept.usual) if kept.hours else None
    return Traffic(kept.begin, kept.rows, whole, kept.behind)


def _kept(found: Traffic) -> BlockTraffic:
    if found.measured is None:
        return BlockTraffic(found.begin, found.rows, behind=found.behind)
    whole = found.measured
    return BlockTraffic(found.begin, found.rows, whole.hours, whole.rows, whole.usual)
