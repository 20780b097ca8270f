"""The operator's adapter of the model registry, without a MongoDB."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from support.simulator.clock import Clock
from support.simulator.faults import Answer, Caller, Server
from support.simulator.journal import Journal
from taxi_domain.models import TRANSITIONS, Alias, ModelState
from taxi_domain.runs import RunResult
from taxi_store.registry.entries import (
    AliasConflictError,
    AliasEntry,
    ModelEntry,
    StateConflictError,
    UnknownVersionError,
    UnreadableEntryError,
    check_promotable,
)
from taxi_store.registry.runs import ModelRun, RunEntry


@dataclass
class Models:
    """Versions, aliases and runs, and which versions no pod can load."""

    clock: Clock
    journal: Journal
    versions: dict[str, ModelEntry] = field(default_factory=dict)
    aliases: dict[tuple[str, Alias], AliasEntry] = field(default_factory=dict)
    #: None stands for a report that this release cannot read.
    runs: dict[str, RunEntry | None] = field(default_factory=dict)
    #: Model and begin of each run.
    begun: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    not_loadable: set[str] = field(default_factory=set)
    #: The promotions that are open; known to the cluster.
    promotions: Callable[[], list[str]] = list

    @property
    def now(self) -> datetime:
        """True time."""
        return datetime.fromtimestamp(self.clock.api - self.clock.api_ahead, UTC)

    def add(self, version: str, model: str, state: ModelState) -> None:
        """Store a version."""
        self.versions[version] = ModelEntry(version, model, version, 1, state, self.now)

    def point(self, model: str, alias: Alias, version: str, by: str = "setup") -> AliasEntry:
        """Let an alias point at a version, whatever it points at."""
        before = self.aliases.get((model, alias))
        entry = AliasEntry(
            model, alias, version, before.version if before else None,
            before.revision + 1 if before else 1, self.now, by,
        )  # fmt: skip
        self.aliases[model, alias] = entry
        return entry

    def champion(self, model: str) -> str:
        """Return the version that answers."""
        return self.aliases[model, Alias.CHAMPION].version

    def get(self, version: str) -> ModelEntry:
        if version not in self.versions:
            raise UnknownVersionError(version)
        return self.versions[version]

    def set_state(self, version: str, state: ModelState, reason: str) -> None:
        entry = self.get(version)
        if entry.state not in {state, *TRANSITIONS[state]}:
            raise StateConflictError(version, entry.state, str(state))
        self.versions[version] = replace(entry, state=state, reason=reason)

    def move(self, model: str, alias: Alias, to: str, expected: str | None) -> AliasEntry:
        check_promotable(self.get(to))
        before = self.aliases.get((model, alias))
        actual = before.version if before else None
        if actual != expected:
            raise AliasConflictError(alias, expected, actual)
        self.journal.note("alias", model=model, to=to, before=actual, promotions=self.promotions())
        return self.point(model, alias, to, "taxi-operator")

    def run(self, run_id: str) -> RunEntry | None:
        found = self.runs.get(run_id)
        if found is None and run_id in self.runs:
            raise UnreadableEntryError(f"runs {run_id!r}: a newer release may have written it")
        return found

    def runs_since(self, model: str, start: datetime) -> list[ModelRun]:
        found = []
        for run_id, (of, began) in self.begun.items():
            one = self.runs.get(run_id)
            if of == model and began >= start:
                ended, result = (one.finished_at, one.result) if one else (None, None)
                found.append(ModelRun(run_id, began, ended, result is RunResult.BETTER))
        return found

    def collect(self) -> None:
        """Remove what no alias needs, as the garbage collection does."""
        needed = {one.version for one in self.aliases.values()}
        needed |= {one.previous for one in self.aliases.values() if one.previous}
        for version in sorted(set(self.versions) - needed):
            del self.versions[version]


class SimulatedRegistry:
    """The calls of one process; it stands in for `AsyncRegistry`."""

    def __init__(self, models: Models, caller: Caller) -> None:
        self._models = models
        self._caller = caller

    async def get(self, version: str) -> ModelEntry:
        return await self._call(lambda: self._models.get(version))

    async def set_state(self, version: str, state: ModelState, *, reason: str = "") -> None:
        await self._call(lambda: self._models.set_state(version, state, reason), changes=True)

    async def alias(self, model: str, alias: Alias) -> AliasEntry | None:
        return await self._call(lambda: self._models.aliases.get((model, alias)))

    async def move_alias(  # noqa: PLR0913 - as the adapter
        self, model: str, alias: Alias, *, to: str, expected: str | None, by: str, now: datetime
    ) -> AliasEntry:
        return await self._call(lambda: self._models.move(model, alias, to, expected), changes=True)

    async def run(self, run_id: str) -> RunEntry | None:
        return await self._call(lambda: self._models.run(run_id))

    async def runs_since(self, model: str, start: datetime) -> list[ModelRun]:
        return await self._call(lambda: self._models.runs_since(model, start))

    async def _call(self, act: Callable[[], Answer], *, changes: bool = False) -> Answer:
        return await self._caller.call(Server.REGISTRY, act, changes=changes)
