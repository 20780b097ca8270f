"""New rows in the order of time, cut for their purposes."""

from dataclasses import dataclass
from typing import Final

from taxi_schema.columns.rows import LabelledRows

#: Shares of the new rows, in the order of time: fit, choose, and for the gate the rest.
GATE_SHARE: Final = 0.3
CHOOSE_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Split:
    """New rows in the order of time, each used for one purpose."""

    fit: LabelledRows
    choose: LabelledRows
    gate: LabelledRows


def split(rows: LabelledRows, min_gate_rows: int) -> Split:
    """Cut the new rows: the newest are for the gate, those before for the choice."""
    gate = max(int(len(rows) * GATE_SHARE), min(min_gate_rows, len(rows)))
    rest = len(rows) - gate
    choose = int(rest * CHOOSE_SHARE / (1 - GATE_SHARE))
    return Split(rows[: rest - choose], rows[rest - choose : rest], rows[rest:])
