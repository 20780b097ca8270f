"""How rides and labels come into the state: the log decides what is true.

Rides and labels come in any order, twice, and with another content the second time. The log
keeps the first of each, so the state follows it: labels are joined as the log has them, and a
ride whose answer in the log is another one than was posted is put right.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from taxi_domain.records import Label, PredictionRecord
from taxi_monitor.windows.state import Ingested, State
from taxi_store.log.prediction_log import Stored


class Log(Protocol):
    """What is read of the log."""

    def records_of(self, ride_ids: Sequence[str]) -> Iterable[PredictionRecord]:
        """Return the records of rides that are in the log."""

    def labels_of(self, ride_ids: Sequence[str]) -> Iterable[Label]:
        """Return the labels of rides that have one."""


def take_logged(state: State, log: Log, found: Sequence[Stored]) -> Ingested:
    """Take rides that the log has: what was never posted, other answers, and early labels.

    A label that came before its ride waits in the log; it is asked for once the ride is there.
    """
    fresh = [one for one in found if not state.saw_logged(one.ride_id)]
    missed = [one.ride_id for one in fresh if not state.holds(one.ride_id, one.ts)]
    done = state.put_right(log.records_of(missed)) if missed else Ingested(0, 0)
    if fresh:
        ride_ids = [one.ride_id for one in fresh]
        take_labels(state, log, list(log.labels_of(ride_ids)))
        state.mark_logged(ride_ids)
    return done


def take_labels(state: State, log: Log, labels: Sequence[Label]) -> list[float]:
    """Join labels as the log has them, also with rides that left the windows.

    Returns:
        The lags of those that were joined now, seconds.
    """
    joined = state.join(labels)
    if not joined.without_ride:
        return joined.lags
    by_id = {one.ride_id: one for one in joined.without_ride}
    records = log.records_of(list(by_id))
    return joined.lags + state.join_old([(one, by_id[one.ride_id]) for one in records])
