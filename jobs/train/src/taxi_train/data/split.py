"""New rides in the order of time, cut for their purposes."""

from dataclasses import dataclass
from typing import Final

from taxi_train.data.rides import Rides

#: Shares of the new rides, in the order of time: fit, choose, and for the gate the rest.
GATE_SHARE: Final = 0.3
CHOOSE_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Split:
    """New rides in the order of time, each used for one purpose."""

    fit: Rides
    choose: Rides
    gate: Rides


def split(rides: Rides, min_gate_rows: int) -> Split:
    """Cut the new rides: the newest are for the gate, those before for the choice."""
    gate = max(int(len(rides) * GATE_SHARE), min(min_gate_rows, len(rides)))
    rest = len(rides) - gate
    choose = int(rest * CHOOSE_SHARE / (1 - GATE_SHARE))
    return Split(rides[: rest - choose], rides[rest - choose : rest], rides[rest:])
