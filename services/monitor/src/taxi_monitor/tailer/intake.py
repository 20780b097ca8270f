"""How rows and labels come into the state: the log decides what is true.

Rows and labels come in any order, twice, and with another content the second time. The log
keeps the first of each, so the state follows it: labels are joined as the log has them, and a
row whose answer in the log is another one than was posted is put right.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from taxi_domain.records import Label
from taxi_monitor.records.batch import RecordBatch
from taxi_monitor.windows.state import State
from taxi_store.log.prediction_log import Stored


class Log(Protocol):
    """What is read of the log."""

    def batches_of(self, row_ids: Sequence[str]) -> Iterable[RecordBatch]:
        """Return the records of rows that are in the log, each row once."""

    def labels_of(self, row_ids: Sequence[str]) -> Iterable[Label]:
        """Return the labels of rows that have one."""


class Taken(NamedTuple):
    """What became of rows of the log.

    Attributes:
        new: How many were new to a window.
        lags: Of labels that were first joined with them, seconds.
        labelled: Ids of those whose label was in the log; it is joined.
    """

    new: int
    lags: list[float]
    labelled: list[str]


def take_logged(state: State, log: Log, stored: Sequence[Stored]) -> Taken:
    """Take rows that the log has: what was never posted, other answers, and early labels.

    A label that came before its row waits in the log; it is asked for once the row is there.
    """
    missed = state.missing_of(stored)
    batches = log.batches_of(missed) if missed else ()
    new = sum(state.put_right(batch).new for batch in batches)
    labels = list(log.labels_of([row.row_id for row in stored]))
    return Taken(new, take_labels(state, log, labels), [one.row_id for one in labels])


def take_labels(state: State, log: Log, labels: Sequence[Label]) -> list[float]:
    """Join labels as the log has them, also with rows that left the windows.

    Returns:
        The lags of those that were first joined now, seconds.
    """
    joined = state.join(labels)
    if not joined.without_row:
        return joined.lags
    by_id = {label.row_id: label for label in joined.without_row}
    lags = joined.lags
    for batch in log.batches_of(list(by_id)):
        lags += state.join_old(batch, [by_id[row_id] for row_id in batch.ids])
    return lags
