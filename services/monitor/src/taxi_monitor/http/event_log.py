"""Inference events: each half is stored, and what is whole becomes records of the log.

A half is in MongoDB before it is answered, so neither a kill nor a rollout loses one, and whichever
pod gets the second half joins both. What a killed pod left whole is joined by the next look. Of
requests that failed no second half comes: when too much waits, the oldest is dropped, as what is
new may still be completed.
"""

import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from taxi_domain.errors import FieldError, NotAvailableError
from taxi_domain.metrics import MONITOR_EVENTS
from taxi_domain.models import Alias
from taxi_monitor.events import pairs
from taxi_monitor.events.cloudevents import Event
from taxi_monitor.events.protocols import check_body
from taxi_monitor.http.record_log import away, count_refused, log_records
from taxi_monitor.http.routes import Parts, champions_schema, no_model
from taxi_monitor.windows.misfits import EVENTS
from taxi_runtime.problems import ProblemError
from taxi_schema.schema import Schema
from taxi_store.log import pending
from taxi_store.log.pending import Half, Pair, Waiting
from taxi_store.registry.registry import Registry

logger = logging.getLogger(__name__)

#: Halves that may wait for the other one, and their bytes; beyond it a tenth is dropped.
MAX_WAITING: Final = Waiting(100_000, 256 * 1024 * 1024)
DROPPED: Final = "dropped"
_DROPPED_PARTS: Final = 10
#: Pairs that are joined by one look, and how long they are left to the pod that has both.
_MAX_LEFT_OVER: Final = 200
_LEFT_OVER_AFTER: Final = timedelta(seconds=10)
_LISTS: Final = {
    Half.REQUEST: ("instances", "inputs"), Half.RESPONSE: ("predictions", "outputs"),
}  # fmt: skip


class Joined(NamedTuple):
    """What became of a pair's rows."""

    stored: int
    refused: list[dict[str, object]]


class EventLog:
    """Takes events.

    Args:
        parts: Of the monitor.
        service: Name of the InferenceService whose events are taken.
    """

    def __init__(self, parts: Parts, service: str) -> None:
        self._parts = parts
        self._service = service
        #: Halves without the other one at the last look; None before the first.
        self.waiting: Waiting | None = None
        #: What came since, whether it waits or not.
        self._since = Waiting(0, 0)
        self._lock = threading.Lock()
        self._problem = ""

    def check(self, event: Event) -> None:
        """Require an event that can be taken.

        Raises:
            FieldError: it cannot be taken.
        """
        if event.service not in ("", self._service):
            raise FieldError(
                "inferenceservicename", f"is {event.service[:64]}",
                f"send the events of {self._service} here, or set TAXI_MONITOR_INFERENCE_SERVICE",
            )  # fmt: skip
        if event.half is not None:
            check_body(event.data, *_LISTS[event.half])

    def take(self, events: Sequence[Event], by: str) -> dict[str, Joined | None]:
        """Store events that were checked, and join what is whole then.

        Args:
            events: Any.
            by: Name of who sent them: who completes an inference is stored with its records.

        Returns:
            What became of the inferences that are whole; None for those that were joined before.

        Raises:
            ProblemError: there is no model yet, or MongoDB does not take them now.
        """
        schema = champions_schema(self._parts, "events")
        database = self._parts.database
        try:
            pending.add(database, map(pairs.side_of, events), self._now())
            found = pending.states(database, {event.id for event in events})
            joined = {one: self._join(one, schema, by) for one in found.whole}
            # Behind them: what they complete waits no more.
            if self._may_be_full(events):
                self._measure()
        except NotAvailableError as error:
            raise away("events", error) from error
        return {**joined, **dict.fromkeys(found.done), **dict.fromkeys(found.dropped, _too_late())}

    def look(self) -> None:
        """Join what a pod that was killed left whole, and see what waits."""
        database = self._parts.database
        try:
            self._measure()
            for one in pending.left_over(database, self._now() - _LEFT_OVER_AFTER, _MAX_LEFT_OVER):
                self._join(one, champions_schema(self._parts, "events"), "")
            problem = ""
        except (NotAvailableError, ProblemError) as error:
            problem = str(error)
        if problem and problem != self._problem:
            logger.warning("events are not joined", extra={"reason": problem})
        self._problem = problem

    def _may_be_full(self, events: Sequence[Event]) -> bool:
        size = sum(len(one.data) for one in events)
        with self._lock:
            since = Waiting(self._since.count + len(events), self._since.bytes + size)
            self._since = since
            seen = self.waiting or Waiting(0, 0)
        return _is_full(Waiting(seen.count + since.count, seen.bytes + since.bytes))

    def _measure(self) -> None:
        """See what waits, and drop the oldest of it when that is too much."""
        database = self._parts.database
        waiting = pending.waiting(database)
        if _is_full(waiting):
            dropped = pending.drop(database, _surplus(waiting))
            for half, count in dropped.items():
                self._parts.counters[MONITOR_EVENTS].labels(half, DROPPED).inc(count)
            logger.warning(
                "halves of inferences are dropped: too many wait for the other one; let the logger "
                "send both requests and responses, and see why requests fail",
                extra={
                    "waiting": waiting.count,
                    "bytes": waiting.bytes,
                    "dropped": sum(dropped.values()),
                },
            )
            waiting = pending.waiting(database)
        with self._lock:
            self.waiting, self._since = waiting, Waiting(0, 0)

    def _join(self, inference: str, schema: Schema, by: str) -> Joined:
        pair = pending.pair_of(self._parts.database, inference)
        if pair is None:  # another pod was faster
            return Joined(0, [])
        try:
            joined = self._records(pair, schema, by)
        except FieldError as error:
            joined = self._refused([_refusal(0, error)])
        pending.done(self._parts.database, [inference])
        return joined

    def _records(self, pair: Pair, schema: Schema, by: str) -> Joined:
        parts = self._parts
        found = pairs.read(pair, schema)
        versions = self._versions(found.answers.version)
        version = pairs.version_of(found, versions)
        common = {
            "model": parts.model, "model_version": version,
            "model_role": versions.role_of(version),
        }  # fmt: skip
        items = pairs.items_of(found, schema, common, self._now())
        good: list[Any] = [one for one in items if not isinstance(one, FieldError)]
        refused = self._refused(
            [_refusal(row, one) for row, one in enumerate(items) if isinstance(one, FieldError)]
        )
        logged = log_records(parts, EVENTS, good, {version}, by)
        return Joined(logged.accepted + logged.repeated, refused.refused + logged.refused)

    def _refused(self, refused: list[dict[str, object]]) -> Joined:
        count_refused(self._parts, EVENTS, refused)
        return Joined(0, refused)

    def _versions(self, named: str) -> pairs.Versions:
        parts = self._parts
        champion = parts.state.version_of(Alias.CHAMPION)
        if champion is None:
            raise no_model(parts, "events")
        known = Registry(parts.database).known(parts.model, {named} if named else set())
        return pairs.Versions(champion, parts.state.version_of(Alias.FALLBACK), known)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._parts.clock(), UTC)


def _is_full(waiting: Waiting) -> bool:
    return waiting.count >= MAX_WAITING.count or waiting.bytes >= MAX_WAITING.bytes


def _surplus(waiting: Waiting) -> Waiting:
    """Return what has to go, and room for what comes until it is measured again."""
    return Waiting(
        waiting.count - MAX_WAITING.count + MAX_WAITING.count // _DROPPED_PARTS,
        waiting.bytes - MAX_WAITING.bytes + MAX_WAITING.bytes // _DROPPED_PARTS,
    )


def _too_late() -> Joined:
    """Return what becomes of a half whose other one was dropped."""
    error = FieldError(
        "id", "is of an inference that was dropped, as too many waited for their other halves",
        "let the logger send both halves at once",
    )  # fmt: skip
    return Joined(0, [_refusal(0, error)])


def _refusal(row: int, error: FieldError) -> dict[str, object]:
    return {"index": row, "field": error.field, "problem": str(error)}
