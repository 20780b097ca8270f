"""Where the evidence begins to read, and that it gives a sign of life on its way."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from support.taxi_columns import SCHEMA

from taxi_domain.verdicts import Side
from taxi_monitor.evidence import pursuit
from taxi_monitor.evidence.label_gate import Policy
from taxi_monitor.evidence.log_order import LogOrder
from taxi_monitor.evidence.pieces import Piece, milliseconds_of
from taxi_monitor.evidence.pursuit import Pursuit, Watch
from taxi_monitor.evidence.sides import RowSide, Start
from taxi_profiles.evidence.detector import StateError
from taxi_store.log import encoded_pages, stored_order
from taxi_store.log.malformed import Unreadable
from taxi_store.log.stored_order import EARLIEST, Part, Place

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DAY = timedelta(days=1)
SINCE = NOW - DAY


class _Log:
    """A log of a label a day, none of which is of the version that is judged.

    Args:
        monkeypatch: Puts it in place of the store.
        first: When the version's first row was stored.
        label: And the first label, of any row.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        first: datetime | None,
        label: datetime | None = EARLIEST,
    ) -> None:
        self.pages: list[datetime] = []
        self.turns = 0
        monkeypatch.setattr(stored_order, "first_stored", lambda *_: first)
        monkeypatch.setattr(stored_order, "first_label_stored", lambda *_: label)
        monkeypatch.setattr(stored_order, "labels_between", self._labels)
        monkeypatch.setattr(stored_order, "ids_between", lambda *asked: Part([], asked[3]))
        monkeypatch.setattr(encoded_pages, "stored_between", lambda *_: b"")

    def _labels(self, _database: Any, begin: datetime, end: datetime, *_: Any) -> Part:
        self.pages.append(begin)
        return Part([], min(end, begin + DAY))

    def order(self, most: int = 1000) -> LogOrder:
        def turned() -> None:
            self.turns += 1
            if self.turns > most:
                raise InterruptedError

        reader: Any = SimpleNamespace(version="v1", rows_of=_no_rows)
        return LogOrder(cast("Any", None), reader, Unreadable(), turned=turned)


def _no_rows(*_: Any) -> Any:
    return SimpleNamespace(ids=[], ts=np.zeros(0), table=np.zeros((0, 5)))


def test_labels_of_before_the_versions_first_row_are_not_walked_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = _Log(monkeypatch, NOW - 3 * DAY)

    assert list(log.order().labelled(EARLIEST, None, NOW)) == []

    assert log.pages == [NOW - 3 * DAY, NOW - 2 * DAY, NOW - DAY]
    assert log.turns == 3, "each page is a sign of life, also one without a row"


def test_rows_of_before_the_first_label_are_not_walked_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = _Log(monkeypatch, NOW - 300 * DAY, NOW - DAY)

    assert list(log.order().labelled(EARLIEST, None, NOW)) == []
    assert log.pages == [NOW - DAY]


@pytest.mark.parametrize(("first", "label"), [(None, EARLIEST), (EARLIEST, None)])
def test_a_version_without_rows_or_labels_has_no_labelled_ones(
    monkeypatch: pytest.MonkeyPatch, first: datetime | None, label: datetime | None
) -> None:
    log = _Log(monkeypatch, first, label)

    assert list(log.order().labelled(EARLIEST, None, NOW)) == []
    assert log.pages == []


def test_reading_ends_between_two_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    log = _Log(monkeypatch, NOW - 300 * DAY)

    with pytest.raises(InterruptedError):
        list(log.order(2).labelled(EARLIEST, None, NOW))
    assert len(log.pages) == 2
    with pytest.raises(InterruptedError):
        list(log.order(0).rows(EARLIEST, None, NOW))


class _Detector:
    """One whose state was written by rules of before."""

    blocks = 0

    @classmethod
    def start(cls, *_: Any) -> "_Detector":
        return cls()

    def restored(self, data: bytes) -> "_Detector":
        if data == b"old":
            raise StateError("state: of another engine; begin anew")
        return self


class _Begun:
    """A pursuit whose sides have these last blocks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, since: datetime | None) -> None:
        self.last: dict[Side, Any] = {}
        self.dropped: list[tuple[Side, int]] = []
        self.since = since
        monkeypatch.setattr(pursuit, "Detector", _Detector)
        monkeypatch.setattr(pursuit, "last_verdict", lambda *asked: self.last.get(asked[3]))
        monkeypatch.setattr(pursuit, "drop_behind", self._drop)
        monkeypatch.setattr(pursuit, "Members", lambda *_: None)
        monkeypatch.setattr(pursuit, "history_of", lambda *_: [])
        monkeypatch.setattr(pursuit, "block_of", lambda *_: None)

    def _drop(self, *asked: Any) -> None:
        self.dropped.append(asked[3:])
        del self.last[asked[3]]

    def judged(self, side: Side, block: int, at: datetime, detector: bytes = b"new") -> None:
        self.last[side] = SimpleNamespace(
            block=block,
            detector=detector,
            cursor=SimpleNamespace(stored_at=at, row_id="r"),
            released_at=None,
        )

    def pursuit(self) -> Any:
        reader: Any = SimpleNamespace(version="v1", schema=SCHEMA, names=())
        calibration: Any = SimpleNamespace(block_rows=100)
        watch = Watch("m", reader, calibration, self.since, 1000.0, Policy(0.9, 1.0, DAY))
        return Pursuit(cast("Any", None), watch, cast("Any", None), NOW)


def test_blocks_of_other_rules_are_dropped_once_and_of_their_side_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = _Begun(monkeypatch, None)
    begun.judged(Side.ROWS, 499, NOW, b"old")
    begun.judged(Side.LABELS, 7, NOW)

    found = begun.pursuit()

    assert begun.dropped == [(Side.ROWS, -1)]
    assert [found._judges[side].next_block for side in (Side.ROWS, Side.LABELS)] == [0, 8]
    assert not found._anew, "what another monitor judges is looked at as ever"
    assert found._past[Side.ROWS] < NOW
    assert found._past[Side.LABELS] == EARLIEST, "its blocks are judged when they are whole"
    begun.judged(Side.ROWS, 199, NOW)
    assert begun.pursuit()._judges[Side.ROWS].next_block == 200, "a restart goes on from there"
    assert len(begun.dropped) == 1


def test_where_evidence_begins_anew_nothing_of_before_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = _Begun(monkeypatch, SINCE)
    begun.judged(Side.ROWS, 4, SINCE - DAY)

    found = begun.pursuit()

    assert found._start_of(Side.ROWS) == Start(SINCE, None, Place(SINCE, ""))
    assert found._start_of(Side.LABELS) == Start(EARLIEST)
    (block,) = RowSide(_rows(), found._start_of(Side.ROWS), 3).blocks(NOW)
    assert block.after == Place(SINCE, "")
    assert len(block.piece) == 3, "rows of that very time are its own"


def test_the_first_block_of_all_has_no_refusals_of_before_its_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def refused_between(*args: Any) -> Any:
        asked.append(args[2:])
        return SimpleNamespace(rows=0, fields={})

    found = _Begun(monkeypatch, None).pursuit()
    found._members = SimpleNamespace(of=lambda _: {})
    monkeypatch.setattr(pursuit, "refused_between", refused_between)
    monkeypatch.setattr(pursuit, "score_rows", lambda *_args, **_kinds: None)
    (block,) = RowSide(_rows(), Start(EARLIEST), 3).blocks(NOW)

    found._scores(block)

    assert block.after is None, "late rows of before it are its own"
    assert asked == [(Place(SINCE, "r0"), Place(SINCE, "r2"))]


def _rows() -> Any:
    class Order:
        def rows(self, *_: Any) -> Iterator[Piece]:
            at = np.full(3, milliseconds_of(SINCE))
            yield Piece(at, ["r0", "r1", "r2"], at / 1000, np.zeros((3, 12)))

    return Order()
