"""Limits of a duration, minutes; both ends belong to it.

Every label that can be true is stored. A model learns, and is judged, within the narrower limits
of the target alone: some meters are left on for hours, and one of them would outweigh all others.
"""

from typing import Final

#: What a label may be.
LABEL_MINIMUM: Final = 0.0
LABEL_MAXIMUM: Final = 1440.0

#: What training, gate and monitor use.
TARGET_MINIMUM: Final = 1.0
TARGET_MAXIMUM: Final = 60.0


def is_target(minutes: float) -> bool:
    """Tell whether a label is within the target's limits.

    >>> is_target(60.0), is_target(611.5)
    (True, False)
    """
    return TARGET_MINIMUM <= minutes <= TARGET_MAXIMUM
