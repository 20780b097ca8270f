"""Reads the history of a role for its page: blocks, and what happened meanwhile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from pymongo.database import Database

from taxi_domain.errors import FieldError, NotAvailableError
from taxi_domain.models import Alias
from taxi_domain.verdicts import Side
from taxi_monitor.http.verdict_forms import Newest
from taxi_monitor.page.charts.axes import Axis
from taxi_monitor.page.charts.timeline import Mark
from taxi_monitor.page.happened import KnownEvent, marks_of
from taxi_monitor.page.history import History, Judging
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import WatchedVersion
from taxi_profiles.evidence.calibration import NotCalibratedError, calibration_of
from taxi_profiles.reference import Reference
from taxi_store.connection import Document
from taxi_store.log.newest_values import newest_values
from taxi_store.registry.entries import AliasEntry, ModelEntry, UnreadableEntryError
from taxi_store.registry.registry import Registry
from taxi_store.registry.runs import list_runs
from taxi_store.reports.reports import list_reports
from taxi_store.verdicts.block_verdict import BlockVerdict
from taxi_store.verdicts.verdicts import JudgedVersion, Span, chart_points, judged_versions

#: Spans that can be asked for, seconds; `all` begins with the first block that is kept.
SPANS: Final = {
    "1h": 3600.0, "6h": 21_600.0, "1d": 86_400.0, "7d": 604_800.0, "30d": 2_592_000.0,
}  # fmt: skip
ALL: Final = "all"
#: Streams that every page has.
ERROR_STREAMS: Final = ("harm", "estimated_harm")
#: Points of a line: as many as a chart has pixels to tell apart.
_POINTS: Final = 240
#: Marks of a chart; of more the newest are taken.
_MAX_MARKS: Final = 60
_MAX_REPORTS: Final = 100
#: Rows in which names of categories are looked for that the windows know by their number alone.
_UNSEEN_ROWS: Final = 1000
_LEAST_SECONDS: Final = 600.0


class Judged(Protocol):
    """Knows what the newest blocks say without asking MongoDB."""

    def newest(self, version: str) -> Newest:
        """Return the newest block of each side of a version that has one."""
        ...

    def judging(self, version: str) -> Judging:
        """Return what is known of a version's verdict beside its blocks."""
        ...


@dataclass(frozen=True, slots=True)
class PageHistory:
    """Reads what a page shows of MongoDB; called in threads.

    Attributes:
        database: Where it is.
        model: Name of the model.
        state: Tells which versions are watched.
        watch: Has in mind what the newest blocks say.
        events: Known events.
        clock: Seconds since the epoch.
    """

    database: Database[Document]
    model: str
    state: State
    watch: Judged
    events: Sequence[KnownEvent]
    clock: Callable[[], float]

    def of(self, watched: WatchedVersion, last: str = ALL, streams: Sequence[str] = ()) -> History:
        """Return the history of a role.

        While MongoDB is away there are the newest blocks alone, and the reason.

        Args:
            watched: The version that has the role now.
            last: Key of `SPANS`, or `ALL`.
            streams: Streams whose scores are read beside those of the error.

        Raises:
            FieldError: `last` is none of these.
        """
        newest = self.watch.newest(watched.version)
        judging = self.watch.judging(watched.version)
        limit = _loss_limit(watched.reference)
        now = self.clock()
        try:
            judged = self._judged(watched)
            span = span_of(last, [one.first_ts.timestamp() for one in judged], now)
            marks, problem = self._marks(span)
            blocks = {
                side: self._blocks(watched, judged, span, side, (*ERROR_STREAMS, *streams))
                for side in Side
            }
        except NotAvailableError as error:
            reason = f"the history cannot be read ({error}); the newest block is shown"
            span = span_of(last, [], now)
            return History(span, newest=newest, problem=reason, judging=judging, loss_limit=limit)
        return History(span, blocks, newest, marks, problem, judging, limit)

    def newest(self, version: str) -> Newest:
        """Return the newest block of each side of a version."""
        return self.watch.newest(version)

    def values(self, version: str, column: str) -> list[object]:
        """Return a column's values in the newest rows; none while MongoDB is away."""
        try:
            return newest_values(self.database, version, column, _UNSEEN_ROWS)
        except NotAvailableError:
            return []

    def _judged(self, watched: WatchedVersion) -> list[JudgedVersion]:
        """Return the versions that had the role.

        Where no block says in which role it was judged: for the champion, all versions but those of
        other roles.
        """
        others = {one.version for one in self.state.watched() if one.role != watched.role}
        is_champion = watched.role == Alias.CHAMPION
        return [
            one
            for one in judged_versions(self.database, self.model, _role(watched))
            if one.version == watched.version
            or (is_champion and (one.role or one.version not in others))
        ]

    def _blocks(
        self,
        watched: WatchedVersion,
        judged: Sequence[JudgedVersion],
        span: Axis,
        side: Side,
        streams: Sequence[str],
    ) -> list[BlockVerdict]:
        if not judged:
            return []
        versions = tuple(one.version for one in judged)
        role = _role(watched)
        wanted = Span(self.model, side, _time(span.low), _time(span.high), versions, role)
        return chart_points(self.database, wanted, streams=streams, points=_POINTS)

    def _marks(self, span: Axis) -> tuple[list[Mark], str]:
        """Return what happened in a span, and what of it cannot be read."""
        registry = Registry(self.database)
        reports = list_reports(self.database, self.model, _MAX_REPORTS)
        runs = list_runs(self.database, self.model, _time(span.low))
        problem = ""
        models: list[ModelEntry] = []
        aliases: list[AliasEntry] = []
        try:
            models = registry.list(self.model)
            found = [registry.alias(self.model, alias) for alias in Alias]
            aliases = [one for one in found if one is not None]
        except UnreadableEntryError as error:
            problem = str(error)
        marks = marks_of(
            models=models, aliases=aliases, runs=runs, reports=reports, events=self.events
        )
        shown = [one for one in marks if _end(one) >= span.low and one.at <= span.high]
        return shown[-_MAX_MARKS:], problem


def span_of(last: str, begins: Sequence[float], now: float) -> Axis:
    """Return from when to when a chart is, seconds since the epoch.

    Args:
        last: Key of `SPANS`, or `ALL`.
        begins: When the versions' blocks begin.
        now: The time.

    Raises:
        FieldError: `last` is none of these.

    >>> span_of("1h", [], 7200.0), span_of("all", [1000.0, 3000.0], 7200.0)
    (Axis(low=3600.0, high=7200.0), Axis(low=1000.0, high=7200.0))
    """
    if last == ALL:
        return Axis(min([*begins, now - _LEAST_SECONDS]), now)
    if last not in SPANS:
        raise FieldError("last", f"{last[:20]!r} is no span", f"give {', '.join(SPANS)} or {ALL}")
    return Axis(now - SPANS[last], now)


def _loss_limit(reference: Reference) -> float | None:
    """Return the error at which the loss is 1; None where the reference gives no evidence."""
    try:
        return calibration_of(reference).models.loss_limit
    except NotCalibratedError:
        return None


def _role(watched: WatchedVersion) -> str:
    """Return the role whose blocks are shown: other roles' versions have one history each."""
    return str(Alias.CHAMPION) if watched.role == Alias.CHAMPION else ""


def _end(mark: Mark) -> float:
    return mark.at if mark.until is None else mark.until


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
