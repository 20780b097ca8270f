"""How rows and labels come into the state: the log decides what is true.

Rows and labels come in any order, twice, and with another content the second time. The log
keeps the first of each, so the state follows it: labels are joined as the log has them, and a
row whose answer in the log is another one than was posted is put right.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from taxi_domain.records import Label, PredictionRecord
from taxi_monitor.windows.state import Ingested, State
from taxi_store.log.prediction_log import Stored


class Log(Protocol):
    """What is read of the log."""

    def records_of(self, row_ids: Sequence[str]) -> Iterable[PredictionRecord]:
        """Return the records of rows that are in the log."""

    def labels_of(self, row_ids: Sequence[str]) -> Iterable[Label]:
        """Return the labels of rows that have one."""


def take_logged(state: State, log: Log, stored: Sequence[Stored]) -> Ingested:
    """Take rows that the log has: what was never posted, other answers, and early labels.

    A label that came before its row waits in the log; it is asked for once the row is there.
    """
    fresh = [row for row in stored if not state.saw_logged(row.row_id)]
    missed = [row.row_id for row in fresh if not state.holds(row.row_id, row.ts)]
    done = state.put_right(log.records_of(missed)) if missed else Ingested(0, 0)
    if fresh:
        row_ids = [row.row_id for row in fresh]
        take_labels(state, log, list(log.labels_of(row_ids)))
        state.mark_logged(row_ids)
    return done


def take_labels(state: State, log: Log, labels: Sequence[Label]) -> list[float]:
    """Join labels as the log has them, also with rows that left the windows.

    Returns:
        The lags of those that were joined now, seconds.
    """
    joined = state.join(labels)
    lags = joined.lags
    if joined.without_row:
        by_id = {label.row_id: label for label in joined.without_row}
        records = log.records_of(list(by_id))
        lags = lags + state.join_old([(record, by_id[record.row_id]) for record in records])
    state.mark_labelled(label.row_id for label in labels)
    return lags
