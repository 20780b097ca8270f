"""What the evidence says of each watched version, for metrics, JSON and pages."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from taxi_domain.verdicts import Side
from taxi_monitor.evidence.label_gate import Held
from taxi_profiles.evidence.self_test import SelfTest
from taxi_store.verdicts.block_verdict import BlockVerdict


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """One version.

    Attributes:
        version: Model version.
        problem: Why there is no verdict; empty when there may be one.
        read_until: The log was read and judged up to then, UTC; None before the first time.
        verdicts: The last block of each side that has one, of a log that was read to its end.
        kind: Kind of drift after the newest block; None before the first.
        coverage: Share of the rows of the last block of labels' time that have a label, 0..1; None
            before it is known.
        held: The block of labels that waits for more of them; None when none does.
        late_rows: Rows that were stored too late for their blocks, which are closed.
        late_labels: Labelled rows whose labels were.
        self_test: What came of shifts that were put through a copy of the engine.
    """

    version: str
    problem: str = ""
    read_until: datetime | None = None
    verdicts: Mapping[Side, BlockVerdict] = field(default_factory=dict)
    kind: str | None = None
    coverage: float | None = None
    held: Held | None = None
    late_rows: int = 0
    late_labels: int = 0
    self_test: tuple[SelfTest, ...] = ()


class Views:
    """The views of all versions; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._views: dict[str, EvidenceView] = {}

    def of(self, version: str) -> EvidenceView | None:
        """Return the view of a version, None when it is not known yet."""
        with self._lock:
            return self._views.get(version)

    def put(self, view: EvidenceView) -> None:
        """Show a version so."""
        with self._lock:
            self._views[view.version] = view

    def tell(self, version: str, problem: str) -> None:
        """Say why a version's verdict is not known, or not up to date; what was known stays."""
        with self._lock:
            view = self._views.get(version, EvidenceView(version))
            self._views[version] = replace(view, problem=problem)

    def keep(self, versions: Iterable[str]) -> None:
        """Forget all other versions."""
        kept = set(versions)
        with self._lock:
            self._views = {one: view for one, view in self._views.items() if one in kept}
