"""What is played: quiet and changed spans as they were, and shifts put into quiet ones."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_schema.column import Kind
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.schema import Schema
from verdicts.champions import Champion
from verdicts.events import event_at
from verdicts.pairs import QUIET, Pair, Played
from verdicts.shifts import SHIFTS, UNSHIFTED, Setting, Shift
from verdicts.traffic import Traffic, after, refusing

Floats = NDArray[np.float64]

#: Requests as they were before a shift begins: windows and blocks have rows by then.
WARM_UP: Final = 3000
#: Fewest requests in which a detector has to find a shift.
MIN_AFTER: Final = 5000
#: Pairs into whose traffic shifts are put.
SHIFTED: Final = (
    "quiet-2021-02", "quiet-2021-01-late", "quiet-2020-03-early", "quiet-after-collapse",
    "quiet-2022-01-late", "flights-2013-10",
)  # fmt: skip
#: What the curve of budgets is made of, beside all quiet spans.
SWEPT: Final = frozenset({
    "collapse",
    *(f"quiet-2021-02/{shift}" for shift in (
        "number-x1.1", "number-x1.25", "target-x1.05", "target-x1.1", "target-x1.25", "rare-2%",
        "unseen-1%", "category-shuffled",
    )),
})  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """A span as it was, or with a shift at several places.

    Attributes:
        name: `pair` or `pair/shift`.
        pair: Whose rows these are.
        shift: What is put into them, None for rows as they were.
    """

    name: str
    pair: Pair
    shift: Shift | None = None

    @property
    def control(self) -> "Scenario":
        """The same tries without the shift."""
        return replace(self, name=f"{self.pair.name}/{UNSHIFTED.name}", shift=UNSHIFTED)

    @property
    def is_quiet(self) -> bool:
        """Whether an alarm would be a false one, or a known event's."""
        return self.shift is None and self.pair.role == QUIET


def scenarios(pairs: Iterator[Pair]) -> Iterator[Scenario]:
    """Yield all scenarios of pairs, those of a pair one after the other."""
    for pair in pairs:
        yield Scenario(pair.name, pair)
        if pair.name in SHIFTED:
            for shift in SHIFTS.values():
                if not shift.swaps or pair.subject.roles.other is not None:
                    yield Scenario(f"{pair.name}/{shift.name}", pair, shift)


@dataclass(frozen=True)
class Trial:
    """Traffic of one try: served rows have predictions.

    Attributes:
        traffic: Requests, those before the onset as they were.
        onset: Request at which the shift begins; 0 for rows as they were.
    """

    traffic: Traffic
    onset: int


@dataclass(frozen=True)
class Extent:
    """How much is tried: places of each shift, and most requests after its begin."""

    tries: int
    horizon: int


def spans(arrived: Floats, extent: Extent) -> list[tuple[int, int]]:
    """Return where a shift begins and ends in each try, spread over traffic.

    Args:
        arrived: Times of the requests, local seconds.
        extent: Most tries, and most requests between begin and end.

    Returns:
        Begins with `WARM_UP` requests before and at least `MIN_AFTER` until the end, and no known
        event from the warm-up to the end: its alarm would neither be false nor the shift's. Begins
        are no multiples of the step, as no shift waits for a block's end.
    """
    event = np.array([bool(event_at(moment)) for moment in arrived.astype("datetime64[s]")])
    events = np.concatenate([np.flatnonzero(event), [len(arrived)]])
    places = np.arange(WARM_UP + 137, len(arrived) - MIN_AFTER, 500)
    next_event = events[np.searchsorted(events, places - WARM_UP)]
    ends = np.minimum(places + extent.horizon, next_event)
    fitting = np.flatnonzero(ends >= places + MIN_AFTER)
    if not len(fitting):
        return []
    chosen = fitting[np.linspace(0, len(fitting) - 1, extent.tries).astype(np.int64)]
    return [(int(places[one]), int(ends[one])) for one in np.unique(chosen)]


def trials(
    scenario: Scenario, played: Played, champion: Champion, extent: Extent
) -> Iterator[Trial]:
    """Yield the tries of a scenario, with predictions.

    Args:
        scenario: Of the pair.
        played: The pair's rows.
        champion: Of the pair's reference.
        extent: How much is tried.
    """
    if scenario.shift is None:
        yield Trial(champion.answering(played.traffic), 0)
        return
    for onset, end in spans(played.traffic.arrived, extent):
        before = played.traffic[onset - WARM_UP : onset]
        changed = shifted(played.traffic[onset:end], scenario, champion.rows, seed=onset)
        yield Trial(champion.answering(after(before, changed)), WARM_UP)


def shifted(traffic: Traffic, scenario: Scenario, reference: LabelledRows, *, seed: int) -> Traffic:
    """Put the scenario's shift into traffic, and refuse what a predictor then refuses."""
    shift, subject = scenario.shift, scenario.pair.subject
    assert shift is not None
    random = np.random.default_rng([seed, zlib.crc32(shift.name.encode())])
    changed = shift.change(traffic, Setting(subject.roles, reference, random))
    schema = _nullable(subject.schema) if shift.nullable else subject.schema
    return refusing(schema, changed)


def _nullable(schema: Schema) -> Schema:
    """Return the schema with numbers that may be missing."""
    columns = tuple(
        replace(column, nullable=column.nullable or column.kind is Kind.NUMBER)
        for column in schema.columns
    )
    return replace(schema, columns=columns)
