"""The evidence of one version: reads the log block by block, judges, and writes what it found.

A pure function of reference and log: a few blocks' verdicts are written before the next ones are
looked at, with all that is needed to go on from there, and whoever begins anew reads the last one.
"""

import heapq
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from pymongo.database import Database

from taxi_domain.verdicts import BlockState, Side
from taxi_monitor.evidence.block import Block
from taxi_monitor.evidence.label_gate import Held, LabelGate, Policy
from taxi_monitor.evidence.labels_status import labels_status
from taxi_monitor.evidence.log_order import LogOrder
from taxi_monitor.evidence.members import Members
from taxi_monitor.evidence.pieces import Piece
from taxi_monitor.evidence.sides import LabelSide, RowSide, Start, history_of
from taxi_monitor.evidence.traffic import traffic_of
from taxi_monitor.evidence.unserved import UnservedOrder
from taxi_monitor.windows.reader import RowReader
from taxi_profiles.evidence import streams
from taxi_profiles.evidence.calibration import Calibration
from taxi_profiles.evidence.detector import ENGINE, Detector, StateError
from taxi_profiles.evidence.gain import HISTORY
from taxi_profiles.evidence.judgement import Judgement, State
from taxi_profiles.evidence.kinds import Labels, kind_of
from taxi_profiles.evidence.scoring import BlockScores, Refused, score_labels, score_rows
from taxi_store.connection import Document
from taxi_store.log.refusals import refused_between
from taxi_store.log.stored_order import EARLIEST, Place
from taxi_store.verdicts.block_verdict import BlockVerdict, Cursor
from taxi_store.verdicts.verdicts import (
    append,
    block_of,
    blocks_of,
    drop_behind,
    last_verdict,
)

logger = logging.getLogger(__name__)

#: Writers' clocks and slow inserts are behind by less: what was stored so long ago can be seen.
SETTLE: Final = timedelta(seconds=30)
#: Blocks of so long ago that nobody had judged are marked as judged later.
_PAST: Final = timedelta(minutes=10)
#: Blocks that are written together: a write waits for the disk.
_AT_ONCE: Final = 20
#: Problem of a block whose time has too few labels.
COVERAGE: Final = "coverage"
_SIDES: Final = {Side.ROWS: streams.Side.ROWS, Side.LABELS: streams.Side.LABELS}


class OverruledError(Exception):
    """Another monitor judged a block otherwise, and was first."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What is judged.

    Attributes:
        model: Name of the model.
        reader: Of the version.
        calibration: Of the version.
        since: The evidence begins anew where the version became champion, if its last block is
            older; None where that does not matter.
        budget_rows: Rows between false alarms, at least, on average.
        labels: Which blocks of labels are judged.
        role: Of the version; empty where it is not known.
        has_labels: Whether rows ever get any.
    """

    model: str
    reader: RowReader
    calibration: Calibration
    since: datetime | None
    budget_rows: float
    labels: Policy
    role: str = ""
    has_labels: bool = True

    @property
    def version(self) -> str:
        """Model version."""
        return self.reader.version


@dataclass(frozen=True, slots=True)
class _Judge:
    """What is known of one side.

    Attributes:
        detector: The evidence.
        verdict: Of the last block; None before the first.
        next_block: Number of the next one.
    """

    detector: Detector
    verdict: BlockVerdict | None
    next_block: int


class Pursuit:
    """Follows the log for one version; one thread at a time. After an error begin another one.

    Args:
        database: Where log and verdicts are.
        watch: What is judged.
        order: Reads the log for the version, or rows that nobody predicts.
        now: The time, UTC.
        anew: Judge the whole log, whatever was judged before, and mark it.

    Attributes:
        judged: Called with each verdict once it is written, and what its block begins after.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """

    def __init__(
        self,
        database: Database[Document],
        watch: Watch,
        order: LogOrder | UnservedOrder,
        now: datetime,
        *,
        anew: bool = False,
    ) -> None:
        self._database = database
        self._watch = watch
        self._order = order
        self._members = Members(watch.reader)
        self._anew = anew
        #: Sides whose blocks were of no use, and are judged again from the first one.
        self._dropped: set[Side] = set()
        self.judged: Callable[[BlockVerdict, Place | None], None] = lambda _verdict, _after: None
        self._judges = {side: self._judge_of(side) for side in Side}
        #: Of each side the last one that was written or read, and those that were not written yet.
        self._written = {side: one.verdict for side, one in self._judges.items()}
        self._unwritten: list[tuple[BlockVerdict, Place | None]] = []
        begun = any(one.verdict is not None for one in self._judges.values())
        #: Blocks before are of a past that is judged only now.
        self._past = {
            side: EARLIEST if begun and side not in self._dropped else now - _PAST for side in Side
        }
        size = watch.calibration.block_rows
        rows, labels = (self._start_of(side) for side in Side)
        history = [] if anew else self._history(labels)
        self._labels = LabelSide(
            order, labels, size, target=watch.reader.schema.target, names=watch.reader.names,
            history=history, gate=LabelGate(database, watch.version, watch.labels),
        )  # fmt: skip
        self._sides = (RowSide(order, rows, size), self._labels)
        #: Of the last block of labels.
        self._coverage: float | None = None

    def verdict(self, side: Side) -> BlockVerdict | None:
        """Return the verdict of a side's last block."""
        return self._judges[side].verdict

    @property
    def held(self) -> Held | None:
        """The block of labels that waits for more of them; None when none does."""
        return self._labels.held

    @property
    def coverage(self) -> float | None:
        """Share of rows that have a label, in the time of the block of labels looked at last."""
        return self._coverage if self.held is None else self.held.ratio

    @property
    def kind(self) -> str | None:
        """The kind of drift after the last block of any side; None before the first."""
        known = [one.verdict for one in self._judges.values() if one.verdict is not None]
        last = max(known, key=lambda one: (one.cursor.stored_at, one.side), default=None)
        return None if last is None else last.kind

    def step(self, end: datetime, stopped: Callable[[], bool]) -> bool:
        """Judge all blocks that are whole before a time; False when it was stopped on the way.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
            OverruledError: another monitor judged a block otherwise.
        """
        streams_ = [side.blocks(end) for side in self._sides]
        for block in heapq.merge(*streams_, key=lambda one: one.order):
            self._take(block)
            stop = stopped()
            if stop or len(self._unwritten) >= _AT_ONCE:
                self._write()
            if stop:
                return False
        self._write()
        return True

    def _take(self, block: Block) -> None:
        judge = self._judges[block.side]
        if block.side is Side.LABELS:
            self._coverage = block.coverage
        detector = judge.detector.after(self._scores(block))
        verdict = self._verdict(block, replace(judge, detector=detector))
        self._unwritten.append((verdict, block.after))
        self._judges[block.side] = _Judge(detector, verdict, judge.next_block + 1)

    def _scores(self, block: Block) -> BlockScores:
        watch = self._watch
        targets = block.side is Side.LABELS
        if block.passed:
            # As a block of no rows: it changes no evidence, and says why.
            return BlockScores(_SIDES[block.side], 0, {}, {COVERAGE: block.passed})
        columns = block.piece.columns(watch.reader.names, targets=targets)
        slices = self._members.of(block.piece)
        if targets:
            return score_labels(
                watch.calibration, columns, history=block.history, slices=slices,
                outside=block.outside,
            )  # fmt: skip
        # Refusals stay longer than rows may: those of before the first row are of none of them.
        after = block.after or block.piece.place(0)
        refused = refused_between(self._database, watch.version, after, block.place)
        return score_rows(
            watch.calibration, columns, slices=slices,
            refused=Refused(refused.rows, dict(refused.fields)),
        )  # fmt: skip

    def _verdict(self, block: Block, judge: _Judge) -> BlockVerdict:
        judgement = _said(judge.detector)
        evidence = {name: one for name, one in judgement.evidence.items() if one is not None}
        groups = {str(name): one for name, one in judgement.groups.items() if one is not None}
        return BlockVerdict(
            model=self._watch.model,
            version=self._watch.version,
            side=block.side,
            block=judge.next_block,
            rows=len(block.piece),
            first_ts=block.first_ts,
            last_ts=block.last_ts,
            cursor=Cursor(*block.place),
            scores=dict(judgement.scores),
            evidence=evidence,
            groups=groups,
            total=judgement.total,
            threshold=judgement.threshold,
            state=BlockState(str(judgement.state)),
            kind=self._kind(block, judge),
            blamed=judgement.blamed,
            problems=dict(judgement.problems),
            detector=judge.detector.to_bytes(),
            engine=ENGINE,
            backfilled=self._anew or block.place.stored_at < self._past[block.side],
            role=self._watch.role,
            released_at=block.released_at,
            traffic=traffic_of(self._watch.calibration, judge.verdict, block),
        )

    def _kind(self, block: Block, judge: _Judge) -> str:
        """Return the kind after a block, which the other side's last one decides, too."""
        judges: Mapping[Side, _Judge] = {**self._judges, block.side: judge}
        known = {one for one, it in judges.items() if it.verdict is not None} | {block.side}
        said = {
            side: _said(one.detector) if side in known else None for side, one in judges.items()
        }
        ends = {side: one.verdict.last_ts for side, one in judges.items() if one.verdict}
        ends[block.side] = block.last_ts
        rows = judges[Side.ROWS].verdict
        first = block.first_ts if block.side is Side.ROWS else rows.first_ts if rows else None
        labels = labels_status(
            first, ends.get(Side.ROWS), ends.get(Side.LABELS) or self._watch.since,
            self._watch.labels.overdue,
        )  # fmt: skip
        if not self._watch.has_labels:
            labels = Labels.OVERDUE
        return str(kind_of(said[Side.ROWS], said[Side.LABELS], labels))

    def _write(self) -> None:
        """Write what was judged, unless the same is there.

        Raises:
            OverruledError: another verdict of the same rules is there, or the one before is not
                what was judged here.
        """
        judged, self._unwritten = self._unwritten, []
        new = [verdict for verdict, _ in judged]
        if new and not self._anew:
            before = (self._written[side] for side in {one.side for one in new})
            mine = [*(one for one in before if one is not None), *new]
            there = blocks_of(self._database, [one.verdict_id for one in mine])
            there = {name: one for name, one in there.items() if one.engine == ENGINE}
            for one in mine:
                if one.verdict_id in there and not _same(there[one.verdict_id], one):
                    raise OverruledError(one.verdict_id)
            new = [one for one in new if one.verdict_id not in there]
        if new:
            append(self._database, *new)
        for verdict, after in judged:
            self._written[verdict.side] = verdict
            self.judged(verdict, after)

    def _judge_of(self, side: Side) -> _Judge:
        watch = self._watch
        fresh = Detector.start(watch.calibration, _SIDES[side], watch.budget_rows)
        last = None if self._anew else last_verdict(
            self._database, watch.model, watch.version, side
        )  # fmt: skip
        if last is None:
            return _Judge(fresh, None, 0)
        if watch.since is not None and last.cursor.stored_at < watch.since:
            return _Judge(fresh, None, last.block + 1)
        try:
            return _Judge(fresh.restored(last.detector), last, last.block + 1)
        except StateError as error:
            logger.warning(
                "the evidence begins anew",
                extra={"version": watch.version, "side": str(side), "reason": str(error)},
            )
            # What is left behind the new blocks would be taken for the last one, for ever.
            drop_behind(self._database, watch.model, watch.version, side, -1)
            self._dropped.add(side)
            return _Judge(fresh, None, 0)

    def _start_of(self, side: Side) -> Start:
        judge = self._judges[side]
        if judge.verdict is not None:
            place = Place(judge.verdict.cursor.stored_at, judge.verdict.cursor.row_id)
            released_at = judge.verdict.released_at or EARLIEST
            return Start(place.stored_at, place, place, released_at)
        since = self._watch.since if judge.next_block else None
        # Nothing of before belongs to the first block then: no refusals, and no late rows.
        return Start(EARLIEST) if since is None else Start(since, last=Place(since, ""))

    def _history(self, start: Start) -> list[Piece]:
        """Read the labelled rows before the next block again."""
        judge = self._judges[Side.LABELS]
        if start.after is None:
            return []
        watch = self._watch
        needed = min(-(-HISTORY // watch.calibration.block_rows), judge.detector.blocks)
        first: Place | None = None
        if needed < judge.detector.blocks:
            number = judge.next_block - 1 - needed
            before = block_of(self._database, watch.model, watch.version, Side.LABELS, number)
            if before is not None:
                first = Place(before.cursor.stored_at, before.cursor.row_id)
        begun_at = watch.since if judge.next_block > judge.detector.blocks else None
        begin = begun_at or EARLIEST if first is None else first.stored_at
        return history_of(self._order, begin, first, start.after, watch.reader.schema.target)


def _said(detector: Detector) -> Judgement:
    """Return what a detector says; an alarm stays one after a block that was passed over."""
    found = detector.judgement()
    return replace(found, state=State.ALARM) if detector.alarm else found


def _same(one: BlockVerdict, other: BlockVerdict) -> bool:
    """Tell whether two verdicts of a block are the same, but for when and as what it was judged."""
    return replace(one, backfilled=False, detector=b"", role="") == replace(
        other, backfilled=False, detector=b"", role=""
    )
