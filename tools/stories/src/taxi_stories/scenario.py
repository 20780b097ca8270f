"""What a story needs, and what is seen while it is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from taxi_stories.example import Example
from taxi_stories.sender import Rate

#: A sentence about the system, and whether it held.
Claim = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was seen at one moment; None where Prometheus has no series (yet)."""

    at: float
    sent: int
    refused: int
    window_rows: float | None
    drift: float | None
    rmse: float | None
    error: float | None
    policy: Mapping[str, Any]

    @property
    def status(self) -> Mapping[str, Any]:
        """Status of the policy."""
        found: Mapping[str, Any] = self.policy.get("status") or {}
        return found

    @property
    def candidate(self) -> Mapping[str, Any]:
        """What the gate said of the newest candidate."""
        found: Mapping[str, Any] = self.status.get("candidate") or {}
        return found

    def condition(self, kind: str) -> str:
        """Status of a condition, `Unknown` when it is not there."""
        for one in self.status.get("conditions") or []:
            if one["type"] == kind:
                return str(one["status"])
        return "Unknown"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A release of another model in the same namespace, which the story must not touch.

    Attributes:
        release: Helm release name.
        example: Whose model it serves.
        first: Sample that its first model learns from.
        stream: Sample whose first rows it gets before the story.
        rows: How many.
    """

    release: str
    example: Example
    first: str
    stream: str
    rows: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a story needs.

    Attributes:
        name: Name, also of its policy and the policy's file.
        opening: Plain words before it begins.
        example: Whose model is served.
        first: Sample that the first model learns from.
        stream: Sample whose rows are sent.
        rows: How many rows are sent at most.
        rate: How they are sent.
        is_over: Tells from all looks so far, and whether all was sent, that nothing more is to be
            waited for.
        claims: Checks at the end.
        report_claims: Checks of the batch report of the story's time; None makes no report.
        reserve: How many of the rows wait until `spends_reserve` says so of the looks so far: a
            slow machine must not run out of rows before they matter.
        spends_reserve: See `reserve`.
        seconds: Longest time from the first row to the end.
        release: Helm release name.
        namespace: Where it is installed.
        values: More of the chart's values.
        neighbour: Another release beside it.
    """

    name: str
    opening: str
    example: Example
    first: str
    stream: str
    rows: int
    rate: Rate
    is_over: Callable[[Sequence[Snapshot], bool], bool]
    claims: Callable[[Sequence[Snapshot]], list[Claim]]
    report_claims: Callable[[Mapping[str, Any]], list[Claim]] | None = None
    reserve: int = 0
    spends_reserve: Callable[[Sequence[Snapshot]], bool] = lambda _: True
    seconds: float = 300.0
    release: str = "taxi"
    namespace: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
    neighbour: Neighbour | None = None

    @property
    def place(self) -> str:
        """Namespace, `taxi-` and the name unless it is given."""
        return self.namespace or f"taxi-{self.name}"
