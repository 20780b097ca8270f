"""Records that the monitor itself writes into the log, and then takes into the windows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from taxi_domain.errors import NotAvailableError
from taxi_domain.metrics import MONITOR_RECORDS, MONITOR_UNREADABLE
from taxi_domain.mongodb import PREDICTIONS
from taxi_monitor.http.items import each
from taxi_monitor.http.record_checks import checked
from taxi_monitor.http.routes import RETRY_SECONDS, Parts, name_refused
from taxi_runtime.problems import ProblemError
from taxi_store.log.prediction_log import repeats_of
from taxi_store.registry.registry import Registry


@dataclass(frozen=True, slots=True)
class Logged:
    """What became of records: new, there before, and those that cannot be logged by index."""

    accepted: int
    repeated: int
    refused: list[dict[str, object]]


def log_records(
    parts: Parts, source: str, items: Sequence[Any], versions: Collection[str], by: str
) -> Logged:
    """Store records, put the new ones into the windows; count and return what became of them.

    Args:
        parts: Of the monitor.
        source: Word of the metrics for where they came from.
        items: As JSON has records, decoded or not.
        versions: That they name.
        by: Name of who sent them; empty where the token has none.

    Raises:
        ProblemError: MongoDB does not take them now; those that it took are repeats the next time.
    """
    now = datetime.fromtimestamp(parts.clock(), UTC)
    try:
        known = Registry(parts.database).known(parts.model, versions)
        read, refused = each(items, lambda item: checked(item, parts.model, known, now))
        there = repeats_of(parts.database, [document for _, document in read], now, by)
    except NotAvailableError as error:
        raise away("records", error) from error
    # What the log had before is put right by the tailer, should the windows have another answer.
    new = [record for place, (record, _) in enumerate(read) if place not in there]
    # Labels that came before are joined when the tailer meets the records.
    parts.state.ingest(new)
    parts.counters[MONITOR_RECORDS].labels(source, "new").inc(len(new))
    parts.counters[MONITOR_RECORDS].labels(source, "repeated").inc(len(there))
    count_refused(parts, source, refused)
    name_refused(parts, "record", items, refused, "_id")
    return Logged(len(new), len(there), refused)


def count_refused(parts: Parts, source: str, refused: Sequence[dict[str, object]]) -> None:
    """Count records that cannot be logged, by the field at fault."""
    parts.counters[MONITOR_RECORDS].labels(source, "refused").inc(len(refused))
    for refusal in refused:
        parts.counters[MONITOR_UNREADABLE].labels(source, PREDICTIONS, _head(refusal)).inc()


def away(what: str, error: NotAvailableError) -> ProblemError:
    """Return the answer to a post that MongoDB does not take now."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE, f"{what}: are not stored ({error}); post them again",
        retry_after=RETRY_SECONDS,
    )  # fmt: skip


def _head(refusal: dict[str, object]) -> str:
    """Return the field at fault without a client's own names, of which there is no end."""
    return str(refusal["field"]).partition(".")[0]
