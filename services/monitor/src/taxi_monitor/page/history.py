"""What MongoDB tells of a version over time, as the page takes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from taxi_domain.verdicts import Side
from taxi_monitor.page.charts.axes import Axis
from taxi_monitor.page.charts.timeline import Mark
from taxi_store.verdicts.block_verdict import BlockVerdict


@dataclass(frozen=True, slots=True)
class Judging:
    """What is known of a version's verdict beside its blocks.

    Attributes:
        problem: Why there is none, or why it is not up to date; empty when it is.
        kind: Kind of drift; None as the blocks say.
        coverage: Share of rows that have a label, 0 to 1; None as the blocks say.
        late_rows: Rows that came too late for their block.
        late_labels: Labels that did.
        needed_coverage: Share of rows that need a label for a block of labels that is held; None
            when none is.
    """

    problem: str = ""
    kind: str | None = None
    coverage: float | None = None
    late_rows: int = 0
    late_labels: int = 0
    needed_coverage: float | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Blocks of a version and what happened meanwhile.

    Attributes:
        span: From when to when it is shown, seconds since the epoch.
        blocks: Blocks of each side in the order of time; streams are those that were asked for.
        newest: Newest block of each side, with all streams.
        marks: What happened, oldest first.
        problem: Why it cannot be read; empty when it was.
        judging: What is known beside the blocks.
        loss_limit: Error at which the loss of the error's scores is 1, in the unit of the target;
            None when it is not known: the scores are then shown as they are.
    """

    span: Axis
    blocks: Mapping[Side, Sequence[BlockVerdict]] = field(default_factory=dict)
    newest: Mapping[Side, BlockVerdict] = field(default_factory=dict)
    marks: Sequence[Mark] = ()
    problem: str = ""
    judging: Judging = Judging()
    loss_limit: float | None = None

    def of(self, side: Side) -> Sequence[BlockVerdict]:
        """Return the blocks of a side."""
        return self.blocks.get(side, ())
