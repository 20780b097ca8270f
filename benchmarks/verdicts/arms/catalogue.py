"""All detectors by name."""

from collections.abc import Callable, Mapping
from typing import Final

from verdicts.arms.interface import Arm
from verdicts.arms.window import WindowArm

#: Makes each for a budget of rows between false alarms, where it has one.
ARMS: Final[Mapping[str, Callable[[int], Arm]]] = {"window": lambda _budget: WindowArm()}


def make(name: str, budget: int) -> Arm:
    """Return a detector; `budget` is the number of rows between false alarms that is allowed."""
    return ARMS[name](budget)
