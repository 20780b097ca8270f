"""What every detector is to the harness."""

from dataclasses import dataclass
from typing import Protocol

from verdicts.champions import Champion
from verdicts.traffic import Step


@dataclass(frozen=True, slots=True)
class State:
    """What a detector says after a step.

    Attributes:
        alarm: Whether it is raised now.
        blamed: What it blames, worst first: columns, `error`, or streams of the engine.
        kind: Kind of drift, empty where the detector has none.
        level: How far: log10 of the evidence, or the score over its threshold; None where it has
            no such number.
    """

    alarm: bool
    blamed: tuple[str, ...] = ()
    kind: str = ""
    level: float | None = None


class Watch(Protocol):
    """A detector on one stream, from the start of a champion's traffic."""

    def feed(self, step: Step) -> State:
        """Take what came and return what is said now."""


class Arm(Protocol):
    """A detector with its settings.

    Attributes:
        name: As tables and the command line call it.
    """

    name: str

    def fit(self, champion: Champion) -> None:
        """Learn from a champion's reference."""

    def begin(self) -> Watch:
        """Begin a stream of the champion that was fitted last."""

    def close(self) -> None:
        """End what was started."""
