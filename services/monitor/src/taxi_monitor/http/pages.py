"""The pages of what is watched, as texts; made in threads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Protocol

from taxi_domain.metrics import MONITOR_LABEL_LAG
from taxi_domain.models import Alias
from taxi_monitor.http import forms
from taxi_monitor.http.page_history import ALL, SPANS
from taxi_monitor.http.page_templates import render
from taxi_monitor.http.verdict_forms import Newest
from taxi_monitor.metrics.counters import Counters
from taxi_monitor.page.column import column_page, streams_of_column, unseen_names
from taxi_monitor.page.history import History
from taxi_monitor.page.labels import Lag, lag_of
from taxi_monitor.page.version import card_of, version_page
from taxi_monitor.page.words import moment
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import Evaluation, WatchedVersion
from taxi_runtime.problems import ProblemError


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for.

    Attributes:
        last: Span of the charts: a key of `SPANS`, or `ALL`.
        refresh: Seconds until the page is loaded again; empty for never.
    """

    last: str = ALL
    refresh: str = ""


class Histories(Protocol):
    """Has what happened to a role's versions."""

    def of(self, watched: WatchedVersion, last: str = ALL, streams: Sequence[str] = ()) -> History:
        """Return the history of a role, with the scores of some streams."""
        ...

    def newest(self, version: str) -> Newest:
        """Return the newest block of each side."""
        ...

    def values(self, version: str, column: str) -> Sequence[object]:
        """Return a column's values in the newest rows of the log."""
        ...


@dataclass(frozen=True, slots=True)
class Pages:
    """Makes the pages.

    Attributes:
        model: Name of the model.
        state: Of the monitor.
        history: What MongoDB has.
        counters: Have how late labels come.
        clock: Seconds since the epoch.
    """

    model: str
    state: State
    history: Histories
    counters: Counters
    clock: Callable[[], float]

    def overview(self, asked: Asked) -> str:
        """Return the first page: a card for each role."""
        cards, problems = [], []
        for watched, evaluation, verdict in self._versions():
            found = self.history.of(watched, asked.last)
            problems.append(found.problem)
            cards.append(card_of(watched, evaluation, verdict, found, self._lag()))
        problem = next((one for one in problems if one), "")
        return self._page("overview.html", asked, 0, cards=cards, history_problem=problem)

    def version(self, role: str, asked: Asked) -> str:
        """Return the page of a role's version.

        Raises:
            ProblemError: no version is watched for the role.
        """
        watched, evaluation, verdict = self._version(role)
        found = self.history.of(watched, asked.last)
        page = version_page(watched, evaluation, verdict, found, self._lag())
        return self._page("version.html", asked, 1, page=page, history_problem=found.problem)

    def column(self, role: str, name: str, asked: Asked) -> str:
        """Return the page of a column.

        Raises:
            ProblemError: no version is watched for the role, or it has no such column.
        """
        watched, evaluation, _ = self._version(role)
        if name not in watched.reference.columns:
            raise ProblemError(
                HTTPStatus.NOT_FOUND, f"column: {role} has none of this name; its page lists them"
            )
        streams = streams_of_column(self.history.newest(watched.version), name)
        found = self.history.of(watched, asked.last, streams)
        page = column_page(watched, evaluation, found, name)
        if name in watched.reference.categories and any(one.is_new for one in page.categories):
            values = self.history.values(watched.version, name)
            page = replace(page, unseen=unseen_names(watched, name, values))
        return self._page(
            "column.html", asked, 3, page=page, role=role, version=watched.version,
            history_problem=found.problem,
        )  # fmt: skip

    def _page(self, template: str, asked: Asked, depth: int, **values: object) -> str:
        return render(
            template, model=self.model, root="../" * depth, now=moment(self.clock()),
            last=asked.last, refresh=asked.refresh, spans=[*SPANS, ALL],
            problem=self.state.problem, **values,
        )  # fmt: skip

    def _versions(self) -> list[tuple[WatchedVersion, Evaluation | None, str]]:
        evaluations = {watched.role: evaluation for watched, evaluation in self.state.evaluations()}
        found = [(one, evaluations.get(one.role)) for one in self._watched()]
        return [(one, evaluation, forms.verdict_of(evaluation)) for one, evaluation in found]

    def _watched(self) -> list[WatchedVersion]:
        """Return what is watched; the champion comes first."""
        return sorted(self.state.watched(), key=lambda one: (one.role != Alias.CHAMPION, one.role))

    def _version(self, role: str) -> tuple[WatchedVersion, Evaluation | None, str]:
        found = next((one for one in self._versions() if one[0].role == role), None)
        if found is None:
            raise ProblemError(
                HTTPStatus.NOT_FOUND, f"{role[:40]}: no version is watched for it; / lists what is"
            )
        return found

    def _lag(self) -> Lag:
        """Return how late labels came since the monitor started."""
        (family,) = self.counters[MONITOR_LABEL_LAG].collect()
        return lag_of([
            (float(one.labels["le"]), one.value)
            for one in family.samples if one.name.endswith("_bucket")
        ])  # fmt: skip
