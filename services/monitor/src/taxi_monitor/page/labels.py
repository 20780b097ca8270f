"""Labels: how many of the rows have one, and how late they come."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from taxi_domain.verdicts import Side
from taxi_monitor.page.history import History
from taxi_monitor.page.words import share, span
from taxi_store.verdicts.block_verdict import BlockVerdict


@dataclass(frozen=True, slots=True)
class Lag:
    """How late labels came since the monitor started, by the buckets of its histogram.

    Attributes:
        count: Labels.
        median: Half of the labels came within so many seconds; None when it is not known.
        most: Nine of ten labels did.
    """

    count: int
    median: float | None
    most: float | None


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of a version in words.

    Attributes:
        rows: Labelled rows that are evaluated.
        coverage: Share of the rows of the history that have a label, `–` where not known.
        behind: How far the answers of the newest labels are behind the newest answers.
        lag: Sentence on how late labels come; empty without labels.
        outside: Share of the newest labels outside of the target's limits.
        held: Sentence on a block that waits for more labels; empty when none does.
    """

    rows: int
    coverage: str
    behind: str
    lag: str
    outside: str
    held: str = ""


def labels_of(history: History, rows: int, outside: float | None, lag: Lag | None) -> Labels:
    """Return what is known of labels.

    Args:
        history: Of the version.
        rows: Labelled rows that are evaluated.
        outside: Share of the newest labels that are outside of the limits.
        lag: How late they come.
    """
    known = "" if lag is None or not lag.count else (
        f"half of them within {span(lag.median)}, nine of ten within {span(lag.most)}"
    )  # fmt: skip
    return Labels(
        rows, share(_coverage(history)), _behind(history), known, share(outside), _held(history)
    )  # fmt: skip


def _held(history: History) -> str:
    needed = history.judging.needed_coverage
    if needed is None:
        return ""
    return f"the error is not judged: {share(needed)} of the rows need one"


def _coverage(history: History) -> float | None:
    known = history.judging.coverage
    return coverage_of(history) if known is None else known


def coverage_of(history: History) -> float | None:
    """Return the share of rows that have a label, of those that labels have reached, 0 to 1."""
    rows, labelled = history.of(Side.ROWS), history.of(Side.LABELS)
    if not rows or not labelled:
        return None
    reached = max(one.last_ts for one in labelled)
    versions = {block.version for block in labelled}
    answered = sum(
        _blocks([one for one in rows if one.version == version and one.last_ts <= reached])
        for version in versions
    )
    if not answered:
        return None
    return min(1.0, sum(
        _blocks([one for one in labelled if one.version == version]) for version in versions
    ) / answered)  # fmt: skip


def lag_of(buckets: Sequence[tuple[float, float]]) -> Lag:
    """Return quantiles of a histogram.

    Args:
        buckets: Upper bounds, seconds, ascending, and the labels up to each; the last is infinite.

    >>> lag_of([(60.0, 5.0), (600.0, 9.0), (math.inf, 10.0)])
    Lag(count=10, median=60.0, most=600.0)
    """
    count = int(buckets[-1][1]) if buckets else 0

    def within(part: float) -> float | None:
        bound = next((bound for bound, upto in buckets if upto >= part * count), math.inf)
        return bound if count and math.isfinite(bound) else None

    return Lag(count, within(0.5), within(0.9))


def _blocks(blocks: Sequence[BlockVerdict]) -> float:
    """Return how many blocks there are by their numbers, since a chart may leave some out."""
    numbers = [one.block for one in blocks]
    return 0.0 if not blocks else float(max(numbers) - min(numbers) + 1)


def _behind(history: History) -> str:
    rows, labelled = history.newest.get(Side.ROWS), history.newest.get(Side.LABELS)
    if rows is None or labelled is None:
        return span(None)
    return span((rows.last_ts - labelled.last_ts).total_seconds())
