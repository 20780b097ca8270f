"""The last run of each model's report: one document a model, beside the reports.

It also keeps when a run last ended well and when not, since one that begins anew would hide both.
Runs of the schedule have a second document: any other run would hide what became of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from taxi_domain.mongodb import REPORTS
from taxi_domain.reports import RunState
from taxi_store.admin.indexes import ensure_report_index
from taxi_store.connection import Document, translated
from taxi_store.log.malformed import lenient
from taxi_store.registry.entries import readable

MAX_REASON: Final = 500
#: A read that takes longer is given up; it would hold a thread of the monitor.
MAX_MILLISECONDS: Final = 5000

_KIND: Final = "run"


@dataclass(frozen=True, slots=True)
class ReportRun:
    """The last run of a model's report, and when one last ended well and not.

    Attributes:
        model: Name of the model.
        report_id: The report that was to be made.
        state: Where the last run is. One that was killed stays at running.
        started_at: When it began.
        finished_at: When it ended, None before that.
        reason: Why it failed, at most `MAX_REASON` characters; empty unless it did.
        succeeded_at: End of the last run that made its report, None when there never was one.
        failed_at: End of the last run that did not.
    """

    model: str
    report_id: str
    state: RunState
    started_at: datetime
    finished_at: datetime | None
    reason: str
    succeeded_at: datetime | None
    failed_at: datetime | None


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run of a model's report, as the process that makes it knows it.

    Attributes:
        model: Name of the model.
        report_id: The report that is to be made.
        started_at: When it began, UTC.
        scheduled: Whether the schedule began it.
    """

    model: str
    report_id: str
    started_at: datetime
    scheduled: bool = False


def begin_run(database: Database[Document], run: StartedRun) -> None:
    """Record that a run of a model's report began.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    ensure_report_index(database)
    begun = {
        "report": run.report_id, "state": str(RunState.RUNNING), "started_at": run.started_at,
        "finished_at": None, "reason": "",
    }  # fmt: skip
    _update(database, run, {"$set": begun})


def end_run(
    database: Database[Document],
    run: StartedRun,
    state: RunState,
    *,
    now: datetime,
    reason: str = "",
) -> None:
    """Record how a run ended, whether or not its begin could be recorded.

    Args:
        database: Where it is recorded.
        run: The run.
        state: `DONE` or `FAILED`.
        now: When it ended, UTC.
        reason: Why it failed, in a line.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    ended = {
        "report": run.report_id, "state": str(state), "started_at": run.started_at,
        "finished_at": now, "reason": reason[:MAX_REASON],
    }  # fmt: skip
    last = "succeeded_at" if state == RunState.DONE else "failed_at"
    _update(database, run, {"$set": ended, "$max": {last: now}})


def latest_run(
    database: Database[Document], model: str, *, scheduled: bool = False
) -> ReportRun | None:
    """Return the last run of a model's report, None when there never was one.

    Args:
        database: Where it is recorded.
        model: Name of the model.
        scheduled: Only runs that the schedule began; all otherwise.

    Raises:
        UnreadableEntryError: its document is not as one.
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        runs = lenient(database, REPORTS)
        name = {"_id": _run_id(model, scheduled=scheduled)}
        document = runs.find_one(name, max_time_ms=MAX_MILLISECONDS)
    if document is None:
        return None
    with readable("report", document):
        return ReportRun(
            model=document["model"],
            report_id=document["report"],
            state=RunState(document["state"]),
            started_at=time_of(document["started_at"]),
            finished_at=_time_or_none(document.get("finished_at")),
            reason=str(document.get("reason") or ""),
            succeeded_at=_time_or_none(document.get("succeeded_at")),
            failed_at=_time_or_none(document.get("failed_at")),
        )


def twice(write: Callable[[], object]) -> None:
    """Do an upsert again when another process made the document at the same moment."""
    try:
        write()
    except DuplicateKeyError:
        write()


def time_of(value: object) -> datetime:
    """Return a time of a document.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is no time")
    return value


def _time_or_none(value: object) -> datetime | None:
    return None if value is None else time_of(value)


def _update(database: Database[Document], run: StartedRun, change: Document) -> None:
    """Change the documents of a model's run, which are made when there are none."""
    whole = {**change, "$setOnInsert": {"kind": _KIND, "model": run.model}}
    runs = database[REPORTS]
    # The one that an alert waits for comes first.
    for scheduled in (True, False) if run.scheduled else (False,):
        name = {"_id": _run_id(run.model, scheduled=scheduled)}
        with translated():
            twice(partial(runs.update_one, name, whole, upsert=True))


def _run_id(model: str, *, scheduled: bool) -> str:
    """Return the id of a model's run; the slash keeps it apart from reports' ids."""
    return f"run/{model}/scheduled" if scheduled else f"run/{model}"
