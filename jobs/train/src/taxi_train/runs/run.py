"""One run of a Job: its record, from the begin to the verdict."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from pymongo.database import Database

from taxi_domain.runs import RunResult
from taxi_store.connection import Document
from taxi_store.registry.registry import Registry
from taxi_store.registry.runs import RunStore
from taxi_train.data.quality import DataQualityError
from taxi_train.runs.gate import GateVerdict

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Known:
    """What a report can say although the run comes to nothing."""

    champion: str | None = None
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a model's Job.

    Attributes:
        database: Log, registry, and where the run is recorded.
        model: Name of the model.
        id: Of the run.
        now: Clock.
    """

    database: Database[Document]
    model: str
    id: str
    now: Callable[[], datetime]

    @property
    def registry(self) -> Registry:
        """The models."""
        return Registry(self.database)

    @property
    def _store(self) -> RunStore:
        return RunStore(self.database)

    def begin(self, kind: str, *arguments: str) -> RunResult | None:
        """Record that it begins; return its verdict when it has one: a verdict is final."""
        self._store.start(self.id, kind, arguments, self.now(), model=self.model)
        run = self._store.get(self.id)
        if run is None or run.result is RunResult.PENDING:
            return None
        logger.info("run %s has its verdict already: %s", self.id, run.result)
        return run.result

    @contextmanager
    def reported(self) -> Iterator[Known]:
        """Report what is wrong with the data before the error goes on."""
        known = Known()
        try:
            yield known
        except DataQualityError as error:
            self._store.finish(
                self.id, RunResult.DATA_QUALITY_FAILED, now=self.now(), message=str(error),
                reason=error.reason, champion=known.champion,
                numbers={**known.numbers, error.reason: error.figure},
            )  # fmt: skip
            raise

    def finish(self, verdict: GateVerdict, known: Known, candidate: str | None = None) -> RunResult:
        """Record a verdict, with what is known beside it."""
        changed = verdict.result is RunResult.SCHEMA_CHANGED
        self._store.finish(
            self.id, verdict.result, now=self.now(), message=verdict.message,
            candidate=candidate, champion=known.champion,
            numbers={**verdict.numbers, **known.numbers},
            slices=verdict.slices, reason=str(verdict.result) if changed else "",
        )  # fmt: skip
        logger.info("%s: %s", verdict.result, verdict.message)
        return verdict.result
