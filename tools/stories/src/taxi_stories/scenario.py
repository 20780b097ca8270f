"""What a story needs, and what is seen while it is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from taxi_stories.client import Counts
from taxi_stories.example import Example
from taxi_stories.hands import Hands
from taxi_stories.rows import Body
from taxi_stories.sender import Rate

#: Values of a release whose stories show none: each would take a core for a while.
WITHOUT_REPORTS: Final[Mapping[str, object]] = {"batchReport": {"enabled": False}}

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
    #: What a client in the cluster was answered; None without one.
    client: Counts | None = None

    @property
    def spec(self) -> Mapping[str, Any]:
        """Spec of the policy."""
        found: Mapping[str, Any] = self.policy.get("spec") or {}
        return found

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

    @property
    def run(self) -> str:
        """State of the newest run, a dash when there is none."""
        return str((self.status.get("run") or {}).get("state", "-"))

    @property
    def traffic(self) -> str:
        """Which predictor answers, a dash when it is not known."""
        return str((self.status.get("traffic") or {}).get("active", "-"))

    def condition(self, kind: str) -> str:
        """Status of a condition, `Unknown` when it is not there."""
        for one in self.status.get("conditions") or []:
            if one["type"] == kind:
                return str(one["status"])
        return "Unknown"


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person does by hand, once.

    Attributes:
        says: What and why, in plain words.
        when: Tells from all looks so far that it is time.
        do: Does it; what it shows and changes goes through the hands.
    """

    says: str
    when: Callable[[Sequence[Snapshot]], bool]
    do: Callable[[Hands, Sequence[Snapshot]], None]


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

    Those of one place are told one after the other in one release: they have the same first model
    and the same values.

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
        by_hand: What a person does, in this order; the story is not over before all is done.
        client_rate: Requests a second of a client in the cluster, whose failures are counted; 0 is
            none. What is sent from here goes through a forwarded port, which breaks with its pod.
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
    by_hand: Sequence[Deed] = ()
    client_rate: float = 0
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

    def bodies(self) -> Sequence[Body]:
        """Return the rows that are sent.

        Raises:
            TaxiError: the sample cannot be read.
        """
        return self.example.rows(self.stream)[: self.rows]
