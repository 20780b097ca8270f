"""What the evidence said after one block, and its document.

Streams are stored as a list and not as a map: a stream's key has the name of a column or a category
in it, and MongoDB gives dots and dollar signs in the names of fields a meaning.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from taxi_domain.verdicts import BlockState, Side, verdict_id
from taxi_store.connection import Document
from taxi_store.registry.entries import readable
from taxi_store.reports.report_runs import time_of


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the log was read: the last row of a block.

    Attributes:
        stored_at: When it was stored; UTC, whole milliseconds.
        row_id: Its id.
    """

    stored_at: datetime
    row_id: str


@dataclass(frozen=True, slots=True)
class BlockTraffic:
    """How many rows came an hour, up to a block, by the times of their events.

    Attributes:
        begin: Where the stretch of time begins that is not whole yet, local seconds since 1970.
        rows: Rows of the blocks since.
        hours: Of the last stretch that is whole; 0 before there was one, or where the reference
            does not know such hours.
        came: Rows that came in it.
        usual: Rows that the reference would have had.
        behind: Whether the rows since are of a time before `begin`, and measured by nobody.
    """

    begin: float
    rows: int
    hours: float = 0.0
    came: int = 0
    usual: float = 0.0
    behind: bool = False

    @property
    def ratio(self) -> float | None:
        """Rows that came over those of the reference; None where it cannot be told."""
        return self.came / self.usual if self.hours and self.usual else None


@dataclass(frozen=True, slots=True)
class BlockVerdict:
    """One block, its scores, and what the evidence said after it.

    Attributes:
        model: Name of the model.
        version: Model version whose rows they are.
        side: Rows, or labels.
        block: Number of the block, from 0 on.
        rows: Its rows.
        first_ts: Answer time of its first row; UTC.
        last_ts: Answer time of its last row; UTC.
        cursor: Its last row.
        scores: Score by stream; a stream without a value is in `problems`.
        evidence: Decimal logarithm of the evidence, by stream.
        groups: The same by group of streams.
        total: The same of the verdict; None when nothing could be decided.
        threshold: Decimal logarithm of the evidence that is an alarm; None as `total`.
        state: What that means.
        kind: Kind of drift (`None`, `Benign`, ...).
        blamed: Streams, that with most evidence first.
        problems: Why a stream has no score.
        detector: All that is needed to go on from here; empty where it was not kept or not read.
        engine: Number of the rules by which it was judged; a larger one replaces a smaller one.
        backfilled: Whether it was judged later, over the past log.
        role: Of the version when it was judged; empty where that is not known.
        released_at: Of labels: when enough rows of its time had one, by the time of storing, or
            those of a block before; None where it was not kept.
        traffic: Of rows: how many came an hour; None where it is not known.
    """

    model: str
    version: str
    side: Side
    block: int
    rows: int
    first_ts: datetime
    last_ts: datetime
    cursor: Cursor
    scores: Mapping[str, float]
    evidence: Mapping[str, float]
    groups: Mapping[str, float]
    total: float | None
    threshold: float | None
    state: BlockState
    kind: str
    blamed: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    detector: bytes = b""
    engine: int = 0
    backfilled: bool = False
    role: str = ""
    released_at: datetime | None = None
    traffic: BlockTraffic | None = None

    @property
    def verdict_id(self) -> str:
        """Id of its document."""
        return verdict_id(self.model, self.version, self.side, self.block)


def document_of(verdict: BlockVerdict) -> Document:
    """Return a verdict as MongoDB has it; the same verdict gives the same document."""
    names = [*verdict.scores, *(one for one in verdict.evidence if one not in verdict.scores)]
    return {
        "_id": verdict.verdict_id, "model": verdict.model, "version": verdict.version,
        "side": str(verdict.side), "block": verdict.block, "rows": verdict.rows,
        "first_ts": verdict.first_ts, "last_ts": verdict.last_ts,
        "cursor": {"stored_at": verdict.cursor.stored_at, "row_id": verdict.cursor.row_id},
        "streams": [
            {"name": one, "score": verdict.scores.get(one), "evidence": verdict.evidence.get(one)}
            for one in names
        ],
        "groups": [{"name": one, "evidence": value} for one, value in verdict.groups.items()],
        "total": verdict.total, "threshold": verdict.threshold, "state": str(verdict.state),
        "kind": verdict.kind, "blamed": list(verdict.blamed),
        "problems": [{"name": one, "reason": text} for one, text in verdict.problems.items()],
        "detector": verdict.detector, "engine": verdict.engine, "backfilled": verdict.backfilled,
        "role": verdict.role, "released_at": verdict.released_at,
        "traffic": None if verdict.traffic is None else asdict(verdict.traffic),
    }  # fmt: skip


def verdict_of(document: Document) -> BlockVerdict:
    """Read a document of `verdicts`; parts that were not asked for are empty.

    Raises:
        UnreadableEntryError: it is not as one.
    """
    with readable("verdicts", document):
        streams = document.get("streams") or []
        return BlockVerdict(
            model=document["model"],
            version=document["version"],
            side=Side(document["side"]),
            block=int(document["block"]),
            rows=int(document["rows"]),
            first_ts=time_of(document["first_ts"]),
            last_ts=time_of(document["last_ts"]),
            cursor=_cursor(document["cursor"]),
            scores=_numbers(streams, "score"),
            evidence=_numbers(streams, "evidence"),
            groups=_numbers(document.get("groups") or [], "evidence"),
            total=_number_or_none(document["total"]),
            threshold=_number_or_none(document["threshold"]),
            state=BlockState(document["state"]),
            kind=str(document["kind"]),
            blamed=tuple(str(one) for one in document.get("blamed") or ()),
            problems={one["name"]: one["reason"] for one in document.get("problems") or []},
            detector=bytes(document.get("detector") or b""),
            engine=int(document.get("engine") or 0),
            backfilled=bool(document.get("backfilled")),
            role=str(document.get("role") or ""),
            released_at=_time_or_none(document.get("released_at")),
            traffic=_traffic_or_none(document.get("traffic")),
        )


def _cursor(part: Document) -> Cursor:
    return Cursor(time_of(part["stored_at"]), str(part["row_id"]))


def _traffic_or_none(part: Document | None) -> BlockTraffic | None:
    if part is None:
        return None
    return BlockTraffic(
        float(part["begin"]), int(part["rows"]), float(part["hours"]), int(part["came"]),
        float(part["usual"]), bool(part.get("behind")),
    )  # fmt: skip


def _numbers(parts: list[Document], name: str) -> dict[str, float]:
    return {one["name"]: float(one[name]) for one in parts if one.get(name) is not None}


def _time_or_none(value: object) -> datetime | None:
    return None if value is None else time_of(value)


def _number_or_none(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)
