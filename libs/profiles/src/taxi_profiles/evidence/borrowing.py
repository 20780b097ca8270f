"""What a short reference borrows of the version before: how far blocks are from each other.

After a promotion the reference is the few rows since a change, a day or two of them; its own blocks
are then too few, and too much alike, to say how far the blocks of other days get. The
predecessor's blocks say that, put where the new reference's blocks are.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.evidence.calibration import Calibration

Floats = NDArray[np.float64]

#: A reference of so many rows borrows nothing.
ENOUGH_ROWS: Final = 15_000


def borrowing(calibration: Calibration, predecessor: Calibration) -> Calibration:
    """Return a calibration whose scores are its own and those of a predecessor.

    A stream that the predecessor does not have keeps its own scores.

    Args:
        calibration: Of the short reference.
        predecessor: Of the version before; of blocks of as many rows.

    Raises:
        ValueError: the blocks are of other sizes.
    """
    if calibration.block_rows != predecessor.block_rows:
        raise ValueError(
            f"predecessor: has blocks of {predecessor.block_rows} rows, the reference of "
            f"{calibration.block_rows}; calibrate with as many"
        )
    scores = {
        name: _joined(own, predecessor.scores.get(name, np.empty(0)))
        for name, own in calibration.scores.items()
    }
    borrowed = predecessor.blocks - predecessor.borrowed
    return replace(calibration, scores=scores, borrowed=borrowed)


def _joined(own: Floats, others: Floats) -> Floats:
    """Put the scores of others around the middle of one's own, no closer together than these."""
    if not len(own) or not len(others):
        return own if len(own) else others
    spread, wide = (float(np.median(np.abs(one - np.median(one)))) for one in (own, others))
    factor = max(1.0, spread / wide) if wide > 0 else 1.0
    moved = np.median(own) + factor * (others - np.median(others))
    joined: Floats = np.concatenate([moved, own])
    return joined
