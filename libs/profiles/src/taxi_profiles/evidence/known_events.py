"""Events that were known beforehand or declared afterwards: holidays, storms, incidents.

They change no evidence: an alarm in or just after one is shown as "known event", so that nobody
has to find out again why the rows are unlike the reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: Seconds after its end for which an alarm is still put down to an event: its rows are in blocks,
#: and their labels come late.
AFTER: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class KnownEvent:
    """A span in which rows are not as usual.

    Attributes:
        name: For people.
        start: Seconds; of the same clock as those that it is asked for.
        end: Seconds, after `start`.
    """

    name: str
    start: float
    end: float

    def __post_init__(self) -> None:
        """Check the span.

        Raises:
            ValueError: it has no name, or does not end after it starts.
        """
        if not self.name or not self.start < self.end:
            raise ValueError(
                f"calendar: {self.name or 'an event without a name'} from {self.start:g} to "
                f"{self.end:g}; give a name, and an end after the start"
            )


def events_during(
    calendar: Sequence[KnownEvent], first: float, last: float
) -> tuple[KnownEvent, ...]:
    """Return the events that rows from `first` to `last` (seconds) may show.

    >>> storm = KnownEvent("storm", 0.0, 3600.0)
    >>> [event.name for event in events_during([storm], 7200.0, 9000.0)]
    ['storm']
    """
    return tuple(event for event in calendar if event.start <= last and first < event.end + AFTER)
