"""The page of one version, and its card on the first page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from taxi_monitor.page.charts.timeline import Timeline
from taxi_monitor.page.columns import ColumnRow, Moved, column_rows, moved
from taxi_monitor.page.error_words import (
    ErrorNow,
    SliceRow,
    above_reference,
    error_chart,
    error_now,
    error_unit,
    outside_words,
    slice_rows,
)
from taxi_monitor.page.evidence import STATES, Evidence, Word, evidence_of, leading_block
from taxi_monitor.page.evidence_charts import (
    BlockRow,
    block_rows,
    evidence_chart,
    group_charts,
    since,
)
from taxi_monitor.page.happened import MarkRow, mark_rows
from taxi_monitor.page.history import History, Judging
from taxi_monitor.page.labels import Labels, Lag, labels_of
from taxi_monitor.page.pushing import Pushers, pushers
from taxi_monitor.page.traffic import traffic_chart, traffic_words
from taxi_monitor.page.words import count, moment, share
from taxi_monitor.windows.versions import Evaluation, WatchedVersion

_MAX_MOVED: Final = 12
#: States of the window's own verdict, until a block is judged.
_WINDOW_STATES: Final[Mapping[str, str]] = {
    "drift": "alarm", "threshold exceeded": "suspected", "no drift": "ok",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Head:
    """What a version is.

    Attributes:
        role: Alias that it is watched for.
        version: Model version.
        target: What it predicts, with the unit.
        inputs: Names of its columns.
        reference_rows: Rows that it is compared with.
        window: Rows of the window and from when to when they were answered.
        untimed: Share of rows without an event time, with its name; empty where it is none.
        evaluated: When it was evaluated last.
        window_verdict: What the window says in a word.
    """

    role: str
    version: str
    target: str
    inputs: str
    reference_rows: str
    window: str
    untimed: str
    evaluated: str
    window_verdict: str


@dataclass(frozen=True, slots=True)
class Card:
    """A version as the first page has it.

    Attributes:
        head: What it is.
        evidence: The verdict now.
        chart: Evidence over time; None without blocks.
        error: Its error; None with too few labels.
        labels: What is known of labels.
        outside: Which labels are not evaluated; empty when all are.
        columns: Its columns, the worst first.
        since: Since when the state lasts; empty when it is new.
        above: How far its error is above the reference's, real and estimated.
        judging: What is known of the verdict beside its blocks.
        traffic: Rows an hour beside the reference's; empty where not known.
    """

    head: Head
    evidence: Evidence
    chart: Timeline | None
    error: ErrorNow | None
    labels: Labels
    outside: str
    columns: list[ColumnRow]
    since: str
    above: list[str]
    judging: Judging
    traffic: str = ""


@dataclass(frozen=True, slots=True)
class VersionPage:
    """A version as its own page has it.

    Attributes:
        card: What the first page has, too.
        groups: Evidence of each group over time.
        errors: Error over time; None without blocks.
        error_unit: What that is in.
        moved: Categories that moved most.
        slices: Error by slice, the worst first.
        pushers: Rows that push the worst column's score; None without any.
        blocks: Blocks of the charts.
        marks: What happened in the charts' time.
        traffic: Rows an hour over the reference's over time; None where not known.
    """

    card: Card
    groups: list[Timeline]
    errors: Timeline | None
    error_unit: str
    moved: list[Moved] = field(default_factory=list)
    slices: list[SliceRow] = field(default_factory=list)
    pushers: Pushers | None = None
    blocks: list[BlockRow] = field(default_factory=list)
    marks: list[MarkRow] = field(default_factory=list)
    traffic: Timeline | None = None


def card_of(
    watched: WatchedVersion, evaluation: Evaluation | None, verdict: str, history: History,
    lag: Lag | None,
) -> Card:  # fmt: skip
    """Return a version's card.

    Args:
        watched: The version.
        evaluation: Its last evaluation; None when there was none.
        verdict: What its window says in a word.
        history: Of its blocks.
        lag: How late labels come.
    """
    rows = evaluation.labelled.rows if evaluation else 0
    outside = evaluation.outside_ratio if evaluation else None
    return Card(
        head=_head(watched, evaluation, verdict),
        evidence=_evidence(history, verdict),
        chart=evidence_chart(history),
        error=error_now(watched, evaluation),
        labels=labels_of(history, rows, outside, lag),
        outside=outside_words(watched, evaluation),
        columns=column_rows(watched, evaluation, history.newest) if evaluation else [],
        since=since(history, leading_block(history.newest)) if history.newest else "",
        above=above_reference(history, watched.schema.target.unit),
        judging=history.judging,
        traffic=traffic_words(history),
    )


def version_page(
    watched: WatchedVersion, evaluation: Evaluation | None, verdict: str, history: History,
    lag: Lag | None,
) -> VersionPage:  # fmt: skip
    """Return a version's page; arguments as of `card_of`."""
    card = card_of(watched, evaluation, verdict, history, lag)
    unit = watched.schema.target.unit
    page = VersionPage(
        card, group_charts(history), error_chart(history, unit), error_unit(history, unit),
        blocks=block_rows(history),
        marks=mark_rows(history.marks, history.span.low, history.span.high),
        traffic=traffic_chart(history),
    )  # fmt: skip
    if evaluation is None:
        return page
    return replace(
        page,
        moved=moved(watched, evaluation, _MAX_MOVED),
        slices=slice_rows(watched, evaluation),
        pushers=_pushers(watched, evaluation, card.columns),
    )


def _pushers(
    watched: WatchedVersion, evaluation: Evaluation, rows: Sequence[ColumnRow]
) -> Pushers | None:
    """Return the rows that push the score of the worst deciding column."""
    if not evaluation.window.rows:
        return None
    name = next((row.name for row in rows if row.decides and row.bar is not None), None)
    if name is None:
        return None
    return pushers(watched.schema, watched.reference, evaluation.window.columns, name)


def _evidence(history: History, verdict: str) -> Evidence:
    """Return the evidence; until a block is judged the window's own verdict stands for it."""
    found = evidence_of(history.newest, history.judging.kind)
    state = _WINDOW_STATES.get(verdict)
    if state is None or history.newest:
        return found
    word = STATES[state]
    means = f"By the window's scores alone ({verdict}): no block was judged yet."
    return replace(found, state=state, word=Word(word.text, means))


def _head(watched: WatchedVersion, evaluation: Evaluation | None, verdict: str) -> Head:
    schema, target = watched.schema, watched.schema.target
    window = evaluation.window if evaluation and evaluation.window.rows else None
    timed = schema.event_time
    untimed = ""
    if window is not None and timed is not None:
        untimed = f"{share(window.untimed / window.rows)} without {timed.name}"
    return Head(
        role=watched.role,
        version=watched.version,
        target=f"{target.name} in {target.unit}" if target.unit else target.name,
        inputs=", ".join(column.name for column in schema.columns),
        reference_rows=count(watched.reference.rows),
        window="no rows yet" if window is None else
        f"{count(window.rows)} rows, {moment(window.start)} to {moment(window.end)}",
        untimed=untimed,
        evaluated=moment(evaluation.at) if evaluation else "never",
        window_verdict=verdict,
    )  # fmt: skip
