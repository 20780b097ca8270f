"""Versions and histories in several states, for the monitor's page: real rides, made-up blocks."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from support.monitor_windows import watched
from support.references import reference_for
from support.taxi_artifacts import answers_to
from support.taxi_columns import INPUTS, taxi_reference, taxi_rides, usual
from taxi_domain.metrics import MONITOR_LABEL_LAG
from taxi_domain.models import Alias, ModelState
from taxi_domain.runs import RunResult
from taxi_domain.verdicts import BlockState, Side
from taxi_monitor.http.pages import Pages
from taxi_monitor.metrics.counters import Counters
from taxi_monitor.page.charts.axes import Axis
from taxi_monitor.page.charts.timeline import Mark
from taxi_monitor.page.happened import marks_of
from taxi_monitor.page.history import History, Judging
from taxi_monitor.page.streams import stream_of
from taxi_monitor.windows.labelled import LabelledSnapshot
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import WatchedVersion
from taxi_monitor.windows.window import Snapshot
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.reading import schema_of
from taxi_schema.schema import Schema
from taxi_store.registry.entries import AliasEntry, ModelEntry
from taxi_store.registry.runs import RunEntry
from taxi_store.reports.reports import ReportEntry
from taxi_store.verdicts.block_verdict import BlockTraffic, BlockVerdict, Cursor

Floats = NDArray[np.float64]

NOW: Final = datetime(2021, 2, 1, 16, tzinfo=UTC)
VERSION: Final = "389859bb42d2"
BEFORE: Final = "5a398ffc8fcf"
BLOCK: Final = 500
#: Evidence of an alarm: 100,000 rows between false ones.
THRESHOLD: Final = math.log10(100_000 / BLOCK)
WINDOW: Final = 2000
_STREAMS: Final[Mapping[str, Sequence[str]]] = {
    "inputs": (
        "column:trip_distance", "column:PULocationID", "cell:PULocationID", "column:DOLocationID",
        "multivariate",
    ),
    "faults": ("nulls:trip_distance", "unseen:PULocationID", "untimed"),
    "outputs": ("prediction", "estimated_harm"),
    "error": ("harm", "bias", "gain"),
}  # fmt: skip
_SIDE_OF: Final = {"error": Side.LABELS}
HOSTILE: Final = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a/b?c=d&e#f",
    "\N{RIGHT-TO-LEFT OVERRIDE}evil", "{{ 7*7 }}", "n" * 64,
)  # fmt: skip


@dataclass(frozen=True)
class Event:
    """A known event."""

    name: str
    begin: datetime
    end: datetime


@dataclass
class StoredHistory:
    """Stands for MongoDB: what a role's page would read of it."""

    blocks: dict[Side, list[BlockVerdict]] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    problem: str = ""
    judging: Judging = field(default_factory=Judging)
    sent: list[object] = field(default_factory=list)

    def of(
        self, watched: WatchedVersion, last: str = "all", streams: Sequence[str] = ()
    ) -> History:
        """Return the history with the scores of all streams."""
        assert last == "all", streams
        begin = min(
            (one.first_ts for blocks in self.blocks.values() for one in blocks),
            default=NOW - timedelta(hours=1),
        )
        span = Axis(begin.timestamp(), NOW.timestamp())
        blocks = self.blocks if watched.role == Alias.CHAMPION else {}
        return History(
            span, blocks, self.newest(watched.version), self.marks, self.problem, self.judging, 20.0
        )

    def newest(self, version: str) -> dict[Side, BlockVerdict]:
        """Return the newest block of each side of a version."""
        return {
            side: [one for one in blocks if one.version == version][-1]
            for side, blocks in self.blocks.items()
            if any(one.version == version for one in blocks)
        }

    def values(self, _version: str, _column: str) -> list[object]:
        """Return what was sent lately."""
        return self.sent


@dataclass(frozen=True)
class Shift:
    """Evidence that grows from a block on."""

    group: str
    stream: str
    begin: int
    step: float


def blocks_of(  # noqa: PLR0913 - one keyword for each part
    count: int, *, version: str = VERSION, kind: str = "None", shifts: Sequence[Shift] = (),
    labels: float = 0.9, end: datetime = NOW, seed: int = 3,
) -> dict[Side, list[BlockVerdict]]:  # fmt: skip
    """Return blocks of both sides, ten minutes each, that end at a time.

    Args:
        count: Blocks of rows.
        version: Whose they are.
        kind: From the block on at which the evidence is suspected.
        shifts: What grows.
        labels: Blocks of labels for a block of rows; 0 for none.
        end: Answer time of the last row.
        seed: Of what is drawn.
    """
    rng = np.random.default_rng(seed)
    found: dict[Side, list[BlockVerdict]] = {}
    for side in Side:
        number = count if side is Side.ROWS else int(count * labels)
        blocks = [
            _block(rng, side, place, version, kind, shifts, end - (count - place - 1) * _TEN)
            for place in range(number)
        ]
        if blocks:
            found[side] = blocks
    return found


_TEN: Final = timedelta(minutes=10)


def _block(  # noqa: PLR0913, PLR0917 - one argument for each part
    rng: np.random.Generator, side: Side, place: int, version: str, kind: str,
    shifts: Sequence[Shift], last: datetime,
) -> BlockVerdict:  # fmt: skip
    evidence: dict[str, float] = {}
    groups: dict[str, float] = {}
    for group, streams in _STREAMS.items():
        if _SIDE_OF.get(group, Side.ROWS) is not side:
            continue
        for name in streams:
            grown = [
                (place - one.begin) * one.step
                for one in shifts if one.stream == name and place >= one.begin
            ]  # fmt: skip
            evidence[name] = min(abs(float(rng.normal(0.1, 0.25))) + sum(grown), THRESHOLD + 1)
        mean = np.mean([10**value for value in (evidence[name] for name in streams)])
        groups[group] = float(np.log10(mean))
    total = float(np.log10(np.mean([10**value for value in groups.values()])))
    scores = {
        name: float(0.02 + 0.01 * rng.normal() + 0.02 * value) for name, value in evidence.items()
    }
    state = (
        BlockState.ALARM if total >= THRESHOLD
        else BlockState.SUSPECTED if total >= THRESHOLD - 1 else BlockState.OK
    )  # fmt: skip
    return BlockVerdict(
        model="taxi-duration", version=version, side=side, block=place, rows=BLOCK,
        first_ts=last - _TEN, last_ts=last, cursor=Cursor(last, f"r{place}"), scores=scores,
        evidence=evidence, groups=groups, total=total, threshold=THRESHOLD, state=state,
        kind="None" if state is BlockState.OK else kind,
        blamed=tuple(sorted(evidence, key=lambda name: -evidence[name])[:5]),
        problems={} if side is Side.ROWS else {"bias": "no label of the block is within limits"},
        engine=1,
        # The traffic halves at the end.
        traffic=BlockTraffic(0.0, 0, 2.0, BLOCK, BLOCK * (2.0 if place >= 30 else 1.0))
        if side is Side.ROWS and place else None,
    )  # fmt: skip


def marks() -> list[Mark]:
    """Return one mark of each kind, and more of some."""
    start = NOW - timedelta(hours=30)

    def at(hours: float) -> datetime:
        return start + timedelta(hours=hours)

    return marks_of(
        models=[ModelEntry(
            VERSION, "taxi-duration", "d" * 64, 9, ModelState.ACCEPTED, at(7.5), "champion-a1-12",
        )],
        aliases=[AliasEntry("taxi-duration", Alias.CHAMPION, VERSION, BEFORE, 3, at(8),
                            "policy taxi/collapse, decision 12")],
        runs=[RunEntry(
            "champion-a1-12", "train", RunResult.BETTER,
            "RMSE 4.99 against 7.52 minutes on 2302 rides that neither saw", VERSION, BEFORE,
            at(7), at(7.6),
        )],
        reports=[ReportEntry(
            f"taxi-duration-{day}", "taxi-duration", None, at(12 * day), at(12 * day + 12), "UTC",
            "drift", 24_000, 1.4, 0, 9.0, at(12 * day + 13),
        ) for day in range(2)],
        events=[Event("Snow storm", at(16), at(21))],
    )  # fmt: skip


@cache
def rides_reference() -> Reference:
    """Return the reference of the rides of early March 2020."""
    return taxi_reference(columns_of(usual(taxi_rides("green-2020-03-before.parquet"))[:12_000]))


def columns_of(rides: LabelledRows) -> dict[str, Floats]:
    """Return rides as the columns of a window."""
    start = np.datetime64("1970-01-01T00:00:00", "us")
    moments = (rides.event_times - start) / np.timedelta64(1, "s")
    return {
        **{name: rides.columns[name].astype(np.float64) for name in INPUTS},
        PREDICTION: answers_to(rides), TARGET: rides.target, MOMENT: moments.astype(np.float64),
    }  # fmt: skip


def snapshot(columns: Mapping[str, Floats], untimed: int = 0) -> Snapshot:
    """Return a window of columns, answered in the last hours."""
    rows = len(columns[PREDICTION])
    start = NOW - timedelta(hours=5)
    return Snapshot(columns, rows, start.timestamp(), NOW.timestamp(), rows, untimed)


def evaluated(
    version: WatchedVersion, columns: Mapping[str, Floats], *, labelled: bool = True
) -> WatchedVersion:
    """Return a version that evaluated a window."""
    window = snapshot(columns)
    none = {name: values[:0] for name, values in columns.items()}
    labels = window if labelled else snapshot(none)
    version.evaluation = version.evaluated(
        window, LabelledSnapshot(labels, labels.rows, labels.rows // 50), 100, WINDOW,
        NOW.timestamp(),
    )  # fmt: skip
    version.alarm = version.evaluation.alarm
    return version


def champion(
    rides: LabelledRows, *, labelled: bool = True, role: str = "champion"
) -> WatchedVersion:
    """Return a version whose window has rides."""
    name = VERSION if role == "champion" else "fa11bac4fa11"
    one = watched(rides_reference(), WINDOW, version=name, role=role)
    return evaluated(one, columns_of(rides), labelled=labelled)


def usual_rides() -> LabelledRows:
    """Return rides like those of the reference, of other days."""
    return usual(taxi_rides("green-2020-03-before.parquet"))[40_000 : 40_000 + WINDOW]


def collapsed_rides() -> LabelledRows:
    """Return rides of the empty streets."""
    return usual(taxi_rides("green-2020-03-after.parquet"))[-WINDOW:]


def any_version(schema: Schema, rows: int = 400, **changes: Floats) -> WatchedVersion:
    """Return a version of any schema whose window has random rows."""
    reference = reference_for(schema, rows)
    rng = np.random.default_rng(5)
    columns: dict[str, Floats] = {}
    for name in reference.columns:
        if name in reference.categorical:
            places = rng.integers(0, len(reference.categorical[name].ids), rows)
            columns[name] = reference.categorical[name].ids[places].astype(np.float64)
        elif name not in {PREDICTION, TARGET}:
            columns[name] = rng.choice(reference.numeric[name].values, rows)
    target = rng.uniform(1, 7, rows)
    columns |= {
        PREDICTION: target + rng.normal(0, 1, rows), TARGET: target,
        MOMENT: np.linspace(0, 86_400.0, rows), **changes,
    }  # fmt: skip
    return evaluated(watched(reference, WINDOW, version=VERSION, schema=schema), columns)


def hostile_schema() -> Schema:
    """Return a schema whose names are hard on pages."""
    return schema_of({
        "id": "order", "event_time": {"name": "placed", "timezone": "UTC"},
        "target": {"name": "<b>price</b>", "unit": "<i>euros</i>", "minimum": 0, "maximum": 99},
        "columns": [
            *({"name": name, "kind": "number", "unit": "'\"<"} for name in HOSTILE),
            {
                "name": "texts", "kind": "category", "values": sorted(HOSTILE),
                "description": HOSTILE[0],
            },
        ],
        "slices": [{"name": "<slice>", "column": "texts", "groups": {"<group>": [HOSTILE[0]]}}],
        "fallback": {"monotonic": HOSTILE[0]},
    })  # fmt: skip


def wide_schema(columns: int = 64) -> Schema:
    """Return a schema of so many columns."""
    return schema_of({
        "id": "order", "target": {"name": "price"},
        "columns": [{"name": f"column_{place:02d}", "kind": "number"} for place in range(columns)],
        "fallback": {"monotonic": "column_00"},
    })  # fmt: skip


def many_categories(count: int = 10_000) -> WatchedVersion:
    """Return a version one of whose columns has so many categories."""
    schema = schema_of({
        "id": "order", "target": {"name": "price"},
        "columns": [
            {"name": "shop", "kind": "category", "minimum": 0, "maximum": 10 * count},
            {"name": "weight", "kind": "number"},
        ],
        "fallback": {"monotonic": "weight"},
    })  # fmt: skip
    version = any_version(schema)
    ids = np.arange(count)
    profile = version.reference.categorical["shop"]
    stratified = version.reference.stratified["shop"]
    table = np.zeros((len(stratified.table), count + 1))
    table[0, :-1] = 1
    reference = replace(
        version.reference,
        categorical={"shop": replace(profile, ids=ids, counts=np.ones(count))},
        stratified={
            **version.reference.stratified,
            "shop": replace(stratified, points=ids.astype(np.float64), table=table),
        },
    )
    rows = 4 * count
    columns = {
        "shop": np.concatenate([np.arange(rows - 500) % count, np.full(500, 7)]).astype(float),
        "weight": np.zeros(rows), PREDICTION: np.ones(rows), TARGET: np.ones(rows),
        MOMENT: np.zeros(rows),
    }  # fmt: skip
    again = watched(reference, WINDOW, version=VERSION, schema=schema)
    return evaluated(again, columns)


def pages(
    history: StoredHistory, *versions: WatchedVersion, problem: str = "", lag: bool = True
) -> Pages:
    """Return pages of versions with a history."""
    state = State(WINDOW, 100)
    state.problem = problem
    for one in versions:
        state.watch(Alias(one.role), one)
    found = pages_of(state, history)
    if lag:
        for seconds in range(600, 6000, 60):
            found.counters[MONITOR_LABEL_LAG].observe(seconds)
    return found


def pages_of(state: State, history: StoredHistory | None = None) -> Pages:
    """Return the pages of a state."""
    counters = Counters(CollectorRegistry())
    return Pages("taxi-duration", state, history or StoredHistory(), counters, NOW.timestamp)


def _story(kind: str, *shifts: Shift, labels: float = 0.9) -> StoredHistory:
    return StoredHistory(blocks_of(160, kind=kind, shifts=shifts, labels=labels), marks())


def _many_versions() -> Pages:
    old = blocks_of(60, version=BEFORE, end=NOW - timedelta(hours=20), shifts=(
        Shift("error", "harm", 35, 0.12), Shift("inputs", "column:PULocationID", 30, 0.1),
    ), kind="HarmfulCovariate")  # fmt: skip
    new = blocks_of(110)
    blocks = {side: [*old[side], *new[side]] for side in Side}
    fallback = champion(usual_rides(), role="fallback")
    return pages(StoredHistory(blocks, marks()), champion(usual_rides()), fallback)


#: Pages in every state that people see.
STATES: Final[Mapping[str, Callable[[], Pages]]] = {
    "no-model": lambda: pages(StoredHistory(), problem="model taxi-duration: no champion yet"),
    "few-rows": lambda: pages(
        StoredHistory(judging=Judging("the reference is too short for blocks of 500 rows")),
        champion(usual_rides()[:40], labelled=False), lag=False
    ),
    "quiet": lambda: pages(_story("None"), champion(usual_rides())),
    "suspected": lambda: pages(
        _story("Benign", Shift("inputs", "cell:PULocationID", 125, 0.1)), champion(usual_rides())
    ),
    "inputs": lambda: pages(
        _story(
            "HarmfulCovariate", Shift("inputs", "column:PULocationID", 100, 0.1),
            Shift("inputs", "column:trip_distance", 110, 0.08), Shift("error", "harm", 105, 0.09),
        ),
        champion(collapsed_rides()),
    ),
    "concept": lambda: pages(
        _story("Concept", Shift("error", "harm", 100, 0.09), Shift("error", "gain", 105, 0.08)),
        champion(usual_rides()),
    ),
    "data-fault": lambda: pages(
        _story("DataFault", Shift("faults", "nulls:trip_distance", 120, 0.12)),
        champion(usual_rides()),
    ),
    "labels-missing": lambda: pages(
        _story(
            "Blind", Shift("inputs", "column:PULocationID", 100, 0.1),
            Shift("inputs", "column:trip_distance", 100, 0.1),
            Shift("inputs", "multivariate", 100, 0.1), labels=0.0,
        ),
        champion(collapsed_rides(), labelled=False), lag=False,
    ),
    "many-versions": _many_versions,
    "hostile": lambda: pages(_hostile_history(), any_version(hostile_schema())),
    "wide": lambda: pages(_story("None"), any_version(wide_schema())),
    "mongodb-away": lambda: pages(
        StoredHistory(problem="the history cannot be read (MongoDB does not answer); try again"),
        champion(usual_rides()),
    ),
}  # fmt: skip


def _hostile_history() -> StoredHistory:
    history = _story(HOSTILE[1], Shift("inputs", "column:trip_distance", 100, 0.1))
    names: dict[Side, list[BlockVerdict]] = {}
    for side, blocks in history.blocks.items():
        names[side] = [
            replace(one, evidence=_renamed(one.evidence), scores=_renamed(one.scores),
                    blamed=tuple(_renamed(dict.fromkeys(one.blamed, 0.0))),
                    problems={f"column:{HOSTILE[0]}": HOSTILE[1]})
            for one in blocks
        ]  # fmt: skip
    events = [Event(HOSTILE[0], NOW - timedelta(hours=20), NOW - timedelta(hours=10))]
    return StoredHistory(names, [*marks(), *marks_of(events=events)])


def _renamed(values: Mapping[str, float]) -> dict[str, float]:
    """Give streams of columns hostile columns."""
    found = {}
    for place, (key, value) in enumerate(values.items()):
        stream = stream_of(key)
        name = HOSTILE[place % len(HOSTILE)]
        found[f"{stream.score}:{name}@<slice>=<group>" if stream.column else key] = value
    return found
