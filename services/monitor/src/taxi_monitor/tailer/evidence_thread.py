"""The thread that keeps the evidence of the watched versions up to date."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from pymongo.database import Database

from taxi_domain.errors import TaxiError
from taxi_domain.evidence_metrics import MONITOR_LATE_LABELS, MONITOR_LATE_ROWS
from taxi_domain.models import Alias
from taxi_domain.verdicts import Side
from taxi_monitor.evidence.label_gate import policy_of
from taxi_monitor.evidence.late import LateLabels, LateRows
from taxi_monitor.evidence.log_order import LabelsRead, LogOrder
from taxi_monitor.evidence.pursuit import OverruledError, Pursuit, Watch
from taxi_monitor.evidence.unserved import (
    ROLE,
    UnservedOrder,
    judged_of,
    without_answers,
)
from taxi_monitor.evidence.view import EvidenceView, Views
from taxi_monitor.metrics.counters import Counters
from taxi_monitor.settings import Settings
from taxi_monitor.tailer.cycle_thread import CycleThread
from taxi_monitor.windows.reader import RowReader
from taxi_monitor.windows.state import State
from taxi_profiles.evidence.calibration import Calibration, NotCalibratedError, calibration_of
from taxi_profiles.evidence.self_test import self_test
from taxi_store.admin.indexes import ensure_verdict_indexes
from taxi_store.connection import Document
from taxi_store.log.malformed import Unreadable
from taxi_store.log.refusals import ensure_refusal_indexes
from taxi_store.log.stored_order import EARLIEST, Place, rows_after
from taxi_store.registry.registry import Registry
from taxi_store.verdicts.block_verdict import BlockVerdict
from taxi_store.verdicts.verdicts import prune

logger = logging.getLogger(__name__)

#: Blocks of a version and side that are kept, and how long those of versions of before are.
_KEEP_BLOCKS: Final = 20_000
_KEEP_AGE: Final = timedelta(days=180)
_PRUNE_SECONDS: Final = 3600.0
#: A monitor that starts does not know at once which versions are watched.
_FIRST_PRUNE_SECONDS: Final = 300.0
#: How often a copy of the engine is put to the test.
_TEST_SECONDS: Final = 3600.0
#: How often the progress through a long log is told.
_TELL_SECONDS: Final = 5.0
#: How often it is looked whether there is a version.
_WAIT_SECONDS: Final = 0.1


class _StoppedError(Exception):
    """The thread is to end."""


@dataclass
class _Followed:
    """One version."""

    pursuit: Pursuit
    calibration: Calibration
    since: datetime | None
    role: str
    late: LateRows
    late_labels: LateLabels
    view: EvidenceView
    up_to_date: bool = False
    told_at: float = field(default=-_TELL_SECONDS)
    test_at: float = 0.0


class EvidenceThread(CycleThread):
    """Judges the blocks of every watched version.

    Args:
        database: Where log and verdicts are.
        settings: Of the monitor.
        state: Says which versions are watched.
        counters: Of the monitor.
        unreadable: Is told what of the log cannot be read.
        rows: Says whether rows that nobody predicts are watched.
        clock: Seconds since the epoch.

    Attributes:
        state: Says which versions are watched.
        views: What is known of each version.
        moved_at: When it last made progress, seconds since the epoch.
    """

    def __init__(  # noqa: PLR0913 - its parts, put together in one place
        self,
        database: Database[Document],
        settings: Settings,
        state: State,
        counters: Counters,
        *,
        unreadable: Unreadable,
        rows: State | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__("evidence", settings.evaluation_seconds)
        self._database = database
        self._registry = Registry(database)
        self._settings = settings
        self.state = state
        self._counters = counters
        self._unreadable = unreadable
        self.rows = rows
        self._clock = clock
        self._followed: dict[str, _Followed] = {}
        #: Versions that are judged, those with a problem among them.
        self._watched: tuple[str, ...] = ()
        self._has_indexes = False
        self._prune_at = clock() + _FIRST_PRUNE_SECONDS
        self.views = Views()
        self.moved_at = clock()

    def cycle(self) -> None:
        """Judge what is there to be judged, of each version; a problem of one holds up no other."""
        watched = dict(judged_of(self.state, self.rows))
        self._watched = tuple(watched)
        self._followed = {one: it for one, it in self._followed.items() if one in watched}
        self.views.keep(watched)
        for version, one in watched.items():
            if self._stop.is_set():
                return
            try:
                self._follow(version, one.reader, one.role)
            except _StoppedError:
                return
            except OverruledError as error:
                logger.info("another monitor judged a block", extra={"block": str(error)})
                self._followed.pop(version, None)
            except (TaxiError, NotCalibratedError) as error:
                self._fail(version, str(error))
            except Exception as error:
                # No rule of the engine, and no row of the log, may end the thread.
                logger.exception("the evidence of a version failed", extra={"version": version})
                self._fail(version, f"a defect of the monitor ({error!r})")
            self.moved_at = self._clock()

    def pause(self) -> float:
        """Return how long to wait for the next cycle, seconds: short before there is a version."""
        return super().pause() if self.state.watched() else min(super().pause(), _WAIT_SECONDS)

    def _fail(self, version: str, problem: str) -> None:
        known = self.views.of(version)
        if known is None or known.problem != problem:
            logger.warning("no evidence", extra={"version": version, "reason": problem})
        self._followed.pop(version, None)
        self.views.tell(version, problem)

    def _follow(self, version: str, reader: RowReader, role: str) -> None:
        now = self._now()
        self._keep_house(now)
        champion = self._registry.alias(self._settings.model, Alias.CHAMPION)
        of_champion = champion is not None and champion.version == reader.version
        since = champion.moved_at if champion is not None and of_champion else None
        followed = self._followed.get(version)
        if followed is None or (followed.since, followed.role) != (since, role):
            followed = self._begun(version, reader, since, role, now)
            self._followed[version] = followed
        settle = timedelta(seconds=self._settings.settle_seconds)
        end = _whole(now - settle)
        if not followed.pursuit.step(end, self._stop.is_set):
            return
        followed.up_to_date = True
        late = followed.late.look(now)
        self._counters[MONITOR_LATE_ROWS].inc(late)
        self._counters[MONITOR_LATE_LABELS].inc(followed.late_labels.look(now))
        self._show(followed, end)
        # What is known comes first: the test takes a second or two.
        self._test(followed)

    def _begun(
        self, version: str, reader: RowReader, since: datetime | None, role: str, now: datetime
    ) -> _Followed:
        settings, calibration = self._settings, calibration_of(reader.reference)
        own = RowReader(version, reader.schema, reader.reference)
        again = LogOrder(self._database, own, self._unreadable, turned=self._turned)
        is_served = role != ROLE
        order: LogOrder | UnservedOrder
        if is_served:
            order = LogOrder(self._database, own, self._unreadable, turned=self._turned)
            late = LateRows(partial(rows_after, self._database, version))
        else:
            calibration = without_answers(calibration)
            order = UnservedOrder(
                self._database, settings.model, own, self._unreadable, since=since or EARLIEST,
                turned=self._turned,
            )  # fmt: skip
            late = LateRows(order.count_after)
        watch = Watch(
            settings.model, own, calibration, since, settings.false_alarm_rows,
            policy_of(settings), role, is_served,
        )  # fmt: skip
        pursuit = Pursuit(self._database, watch, order, now)
        followed = _Followed(
            pursuit, calibration, since, role, late,
            LateLabels(self._database, again), EvidenceView(version),
        )  # fmt: skip
        order.labels_read = lambda part: self._read(followed, part)
        pursuit.judged = lambda verdict, after: self._judged(followed, verdict, after)
        return followed

    def _test(self, followed: _Followed) -> None:
        """Put a copy of the engine to the test, if that is due: one that cannot alarm says so."""
        if self._clock() < followed.test_at:
            return
        followed.test_at = self._clock() + _TEST_SECONDS * random.uniform(0.9, 1.1)
        found = self_test(followed.calibration, self._settings.false_alarm_rows)
        missed = [one.shift for one in found if not one.passed]
        if missed:
            logger.warning(
                "the self-test did not see shifts",
                extra={"version": followed.view.version, "shifts": missed},
            )
        followed.view = replace(followed.view, self_test=found)
        self.views.put(followed.view)

    def _turned(self) -> None:
        """Note that a page of the log is read, as there may be minutes between two blocks."""
        self.moved_at = self._clock()
        if self._stop.is_set():
            raise _StoppedError

    def _read(self, followed: _Followed, part: LabelsRead) -> None:
        if followed.up_to_date:
            followed.late_labels.read(part, self._now())

    def _judged(self, followed: _Followed, verdict: BlockVerdict, after: Place | None) -> None:
        now = self._clock()
        self.moved_at = now
        if verdict.side is Side.ROWS and followed.up_to_date:
            followed.late.closed(verdict, after, self._now())
        if not followed.up_to_date and now - followed.told_at >= _TELL_SECONDS:
            followed.told_at = now
            # Half of a log says something else than all of it, so no verdict is shown yet.
            at = verdict.cursor.stored_at.isoformat(timespec="seconds")
            self.views.tell(verdict.version, f"the past log is being judged, up to {at} so far")

    def _show(self, followed: _Followed, end: datetime) -> None:
        pursuit, view = followed.pursuit, followed.view
        verdicts = {side: found for side in Side if (found := pursuit.verdict(side)) is not None}
        followed.view = replace(
            view, read_until=end, verdicts=verdicts, kind=pursuit.kind,
            coverage=view.coverage if pursuit.coverage is None else pursuit.coverage,
            held=pursuit.held, late_rows=followed.late.count,
            late_labels=followed.late_labels.count,
        )  # fmt: skip
        self.views.put(followed.view)

    def _keep_house(self, now: datetime) -> None:
        if not self._has_indexes:
            ensure_verdict_indexes(self._database)
            ensure_refusal_indexes(self._database)
            self._has_indexes = True
        if self._clock() < self._prune_at:
            return
        prune(
            self._database, self._settings.model,
            watched=self._watched,
            keep_blocks=_KEEP_BLOCKS, keep_age=_KEEP_AGE, now=now,
        )  # fmt: skip
        self._prune_at = self._clock() + _PRUNE_SECONDS * random.uniform(0.9, 1.1)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _whole(moment: datetime) -> datetime:
    """Return a time without the parts of a millisecond, which the log does not have."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
