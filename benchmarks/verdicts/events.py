"""Known events of the months that are played: alarms behind them are counted apart."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

#: How long after its end an alarm is still put down to an event: its rows are in windows and
#: blocks for some time, and its labels come late.
_AFTER: Final = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Event:
    """Days, both included, on which New York was not as usual."""

    first: str
    last: str
    name: str


EVENTS: Final = (
    Event("2013-01-01", "2013-01-01", "New Year's Day"),
    Event("2013-01-21", "2013-01-21", "Martin Luther King Day"),
    Event("2013-02-08", "2013-02-10", "blizzard"),
    Event("2013-02-18", "2013-02-18", "Presidents' Day"),
    Event("2013-03-06", "2013-03-08", "winter storm"),
    Event("2013-03-29", "2013-04-01", "Easter"),
    Event("2013-10-14", "2013-10-14", "Columbus Day"),
    Event("2020-04-10", "2020-04-12", "Easter"),
    Event("2021-01-01", "2021-01-01", "New Year's Day"),
    Event("2021-01-18", "2021-01-18", "Martin Luther King Day"),
    Event("2021-02-01", "2021-02-03", "snow storm, streets closed"),
    Event("2021-02-07", "2021-02-07", "snow storm"),
    Event("2021-02-15", "2021-02-15", "Presidents' Day"),
    Event("2021-02-18", "2021-02-19", "snow storm"),
    Event("2022-01-01", "2022-01-02", "New Year's Day"),
    Event("2022-01-07", "2022-01-07", "snow storm"),
    Event("2022-01-17", "2022-01-17", "Martin Luther King Day, snow"),
    Event("2022-01-28", "2022-01-30", "blizzard"),
)


def event_at(moment: np.datetime64) -> str:
    """Return the event that an alarm of this local time is put down to, empty where none is."""
    return _event_of(str(moment.astype("datetime64[D]")))


@lru_cache
def _event_of(day: str) -> str:
    for event in EVENTS:
        end = np.datetime64(event.last) + np.timedelta64(1, "D") + _AFTER
        if np.datetime64(event.first) <= np.datetime64(day) < end:
            return event.name
    return ""
