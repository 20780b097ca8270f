"""The page of one column of a version."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from taxi_domain.verdicts import Side
from taxi_monitor.page.charts.bars import Bars
from taxi_monitor.page.charts.timeline import Timeline
from taxi_monitor.page.columns import ColumnRow, column_bars, column_rows, is_of
from taxi_monitor.page.distributions import BINS, MAX_SHOWN, Category, categories, mixture_of
from taxi_monitor.page.evidence import Part, meter_of, state_at
from taxi_monitor.page.evidence_charts import score_charts
from taxi_monitor.page.happened import MarkRow, mark_rows
from taxi_monitor.page.history import History
from taxi_monitor.page.pushing import Pushers, pushers
from taxi_monitor.page.streams import stream_of
from taxi_monitor.windows.versions import Evaluation, WatchedVersion
from taxi_store.verdicts.block_verdict import BlockVerdict

#: Categories in the table; a page of ten thousand could not be read.
MAX_CATEGORIES: Final = 100
#: Categories by name that training never had.
MAX_UNSEEN: Final = 20
#: Streams of a column whose scores are charts.
MAX_STREAMS: Final = 12


@dataclass(frozen=True, slots=True)
class ColumnPage:
    """A column as its own page has it.

    Attributes:
        name: Its name.
        description: Of the schema; empty without.
        row: Scores and evidence; None when it was not evaluated.
        bars: The window over the reference; None without rows.
        streams: Its streams with their evidence.
        scores: Their scores over time.
        categories: Those that moved most; empty for numbers.
        others: How many categories are left out.
        unseen: Categories that training never had, with their rows among the newest of the log.
        pushers: Rows that push its score; None without any.
        marks: What happened in the charts' time.
    """

    name: str
    description: str
    row: ColumnRow | None
    bars: Bars | None = None
    streams: list[Part] = field(default_factory=list)
    scores: list[Timeline] = field(default_factory=list)
    categories: list[Category] = field(default_factory=list)
    others: int = 0
    unseen: list[tuple[str, int]] = field(default_factory=list)
    pushers: Pushers | None = None
    marks: list[MarkRow] = field(default_factory=list)


def streams_of_column(newest: Mapping[Side, BlockVerdict], name: str) -> list[str]:
    """Return the keys of a column's streams, those with most evidence first."""
    found = [
        (-block.evidence.get(key, 0.0), key)
        for block in newest.values()
        for key in block.scores
        if is_of(key, name)
    ]
    return [key for _, key in sorted(found)][:MAX_STREAMS]


def column_page(
    watched: WatchedVersion, evaluation: Evaluation | None, history: History, name: str
) -> ColumnPage:
    """Return the page of a column that the reference has.

    Args:
        watched: The version.
        evaluation: Its last evaluation; None when there was none.
        history: Of its blocks, with the scores of the column's streams.
        name: The column, `prediction` or `target`.
    """
    description = next((one.description for one in watched.schema.columns if one.name == name), "")
    if evaluation is None:
        return ColumnPage(name, description, None)
    rows = column_rows(watched, evaluation, history.newest)
    found = _categories(watched, evaluation, name)
    window = evaluation.window
    return ColumnPage(
        name=name,
        description=description,
        row=next((row for row in rows if row.name == name), None),
        bars=column_bars(
            watched, evaluation, name, MAX_SHOWN if name in watched.reference.categorical else BINS
        ),
        streams=_streams(history, name),
        scores=score_charts(history, streams_of_column(history.newest, name)),
        categories=found[:MAX_CATEGORIES],
        others=max(len(found) - MAX_CATEGORIES, 0),
        pushers=pushers(watched.schema, watched.reference, window.columns, name)
        if window.rows
        else None,
        marks=mark_rows(history.marks, history.span.low, history.span.high),
    )


def unseen_names(
    watched: WatchedVersion, name: str, values: Sequence[object]
) -> list[tuple[str, int]]:
    """Return the texts that training never had, the most frequent first.

    Args:
        watched: The version.
        name: A column of texts.
        values: Of the newest rows, as they were sent.
    """
    known = set(watched.reference.categories[name])
    found = Counter(
        value for value in values if isinstance(value, str) and value and value not in known
    )
    return found.most_common(MAX_UNSEEN)


def _streams(history: History, name: str) -> list[Part]:
    parts = [
        (value, Part(stream_of(key).text, name, meter_of(block, value),
                     state_at(value, block.threshold)))
        for block in history.newest.values()
        for key, value in block.evidence.items()
        if is_of(key, name)
    ]  # fmt: skip
    parts.sort(key=lambda one: -one[0])
    return [part for _, part in parts[:MAX_STREAMS]]


def _categories(watched: WatchedVersion, evaluation: Evaluation, name: str) -> list[Category]:
    window = evaluation.window
    if name not in watched.reference.categorical or not window.rows:
        return []
    mixture = mixture_of(watched.reference, window.columns)
    return categories(watched.reference, name, window.columns[name], mixture)
