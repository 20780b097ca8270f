"""What train, evaluate and observe Jobs report: one document a run."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pymongo import DESCENDING
from pymongo.database import Database

from taxi_domain.mongodb import RUNS
from taxi_domain.runs import RunResult
from taxi_store.connection import Document, translated
from taxi_store.log.malformed import lenient
from taxi_store.registry.entries import UnreadableEntryError, readable

#: Runs that are listed at once.
MAX_LISTED_RUNS: Final = 100
_MAX_MILLISECONDS: Final = 5000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One run: its verdict and the numbers behind it (in the target's unit, and shares)."""

    run_id: str
    kind: str
    result: RunResult
    message: str
    candidate: str | None
    champion: str | None
    started_at: datetime
    finished_at: datetime | None
    numbers: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelRun:
    """When a run of a model was, and whether it found a better one.

    Attributes:
        run_id: Its id.
        started_at: Its begin.
        ended_at: Its end, None while it goes on.
        is_better: Its verdict was `Better`.
    """

    run_id: str
    started_at: datetime
    ended_at: datetime | None
    is_better: bool


def model_run(document: Document) -> ModelRun | None:
    """Read when a run was; None when that cannot be read, whatever its verdict is."""
    started, ended = document.get("started_at"), document.get("finished_at")
    if not isinstance(started, datetime):
        return None
    end = ended if isinstance(ended, datetime) else None
    is_better = document.get("result") == str(RunResult.BETTER)
    return ModelRun(str(document["_id"]), started, end, is_better)


def run_entry(document: Document) -> RunEntry:
    """Read a document of `runs`.

    Numbers that are none are left out: they are for people.

    Raises:
        UnreadableEntryError: it is not as one; above all, its result is a word of a newer release.
    """
    with readable("runs", document):
        for field in ("candidate", "champion"):
            if not isinstance(document.get(field), str | None):
                raise TypeError(f"{field} is no text")
        return RunEntry(
            run_id=document["_id"],
            kind=document["kind"],
            result=RunResult(document["result"]),
            message=str(document.get("message", "")),
            candidate=document.get("candidate"),
            champion=document.get("champion"),
            started_at=document["started_at"],
            finished_at=document.get("finished_at"),
            numbers={
                name: value
                for name, value in (document.get("numbers") or {}).items()
                if isinstance(value, int | float) and math.isfinite(value)
            },
            reason=str(document.get("reason", "")),
            slices=document.get("slices", {}),
        )


def list_runs(database: Database[Document], model: str, since: datetime) -> list[RunEntry]:
    """Return runs of a model that began at a time or later, the newest first, a bounded number.

    What cannot be read is left out.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        found = list(
            lenient(database, RUNS)
            .find({"model": model, "started_at": {"$gte": since}})
            .sort("started_at", DESCENDING)
            .limit(MAX_LISTED_RUNS)
            .max_time_ms(_MAX_MILLISECONDS)
        )
    runs = []
    for document in found:
        try:
            runs.append(run_entry(document))
        except UnreadableEntryError as error:
            logger.warning("a run is left out", extra={"reason": str(error)})
    return runs


class RunStore:
    """Writes the reports of this process' run."""

    def __init__(self, database: Database[Document]) -> None:
        self._runs = database[RUNS]

    def start(
        self,
        run_id: str,
        kind: str,
        arguments: Sequence[str],
        now: datetime,
        *,
        model: str | None = None,
    ) -> None:
        """Record that a run of a model began; a Job's second pod begins it anew."""
        document: Document = {
            "kind": kind, "model": model, "arguments": list(arguments),
            "result": str(RunResult.PENDING),
            "started_at": now, "finished_at": None, "message": "", "candidate": None,
            "champion": None, "numbers": {},
        }  # fmt: skip
        with translated():
            # A finished report stays: a repeat of the pod must not take a verdict back.
            self._runs.update_one(
                {"_id": run_id, "result": str(RunResult.PENDING)}, {"$set": document}
            )
            self._runs.update_one({"_id": run_id}, {"$setOnInsert": document}, upsert=True)

    def finish(  # noqa: PLR0913 - one keyword for each field of the document
        self,
        run_id: str,
        result: RunResult,
        *,
        now: datetime,
        message: str,
        candidate: str | None = None,
        champion: str | None = None,
        reason: str = "",
        numbers: Mapping[str, Any] | None = None,
        slices: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        """Record the verdict and its numbers, on the whole and by slice."""
        with translated():
            self._runs.update_one(
                {"_id": run_id},
                {"$set": {
                    "result": str(result), "finished_at": now, "message": message,
                    "reason": reason, "candidate": candidate, "champion": champion,
                    "numbers": dict(numbers or {}), "slices": dict(slices or {}),
                }},
                upsert=True,
            )  # fmt: skip

    def get(self, run_id: str) -> RunEntry | None:
        """Return a run, None when it never began."""
        with translated():
            document = self._runs.find_one({"_id": run_id})
        return run_entry(document) if document else None
