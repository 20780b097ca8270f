"""What happened in a world, in its order: the invariants read nothing else of the past."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from support.simulator.clock import Clock


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    Attributes:
        kind: What it is, for example `job` or `move`.
        at: True time, seconds since the world began.
        api: Time of the API server, seconds since the epoch.
        facts: What was so at that moment.
    """

    kind: str
    at: float
    api: float
    facts: Mapping[str, Any] = field(default_factory=dict)


class Journal:
    """Entries, oldest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.entries: list[Entry] = []
        #: Called after each entry: an invariant about a moment has to look at that moment.
        self.observers: list[Callable[[Entry], None]] = []

    def note(self, kind: str, **facts: Any) -> None:
        """Write down what happens now."""
        entry = Entry(kind, self._clock.seconds, self._clock.api, facts)
        self.entries.append(entry)
        for observer in self.observers:
            observer(entry)

    def of(self, *kinds: str) -> list[Entry]:
        """Return the entries of some kinds."""
        return [one for one in self.entries if one.kind in kinds]
