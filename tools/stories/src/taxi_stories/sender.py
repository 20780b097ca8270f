"""Sends rows at a rate, and their labels later, without losing or doubling one.

Every row has an id of its own and both ends are idempotent, so whatever is not known to
have arrived is sent again. Progress is written after each batch, and a sender that starts
with that progress goes on where the last one ended.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx
import tenacity

from taxi_domain.errors import NotAvailableError, TaxiError
from taxi_schema.schema import Schema
from taxi_stories.progress import Progress, ProgressFile
from taxi_stories.rows import TAXI_SCHEMA, Body

_LABELS_AT_ONCE = 1000
_TIMEOUT_SECONDS = 15.0
_LOOK_SECONDS = 0.5


class RefusedError(TaxiError):
    """The system refuses what is sent; sending it again is useless."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How rows are sent.

    Attributes:
        rows_per_second: Rate that is aimed at.
        batch_size: Rows of one request; 1 uses the single route.
        label_delay_seconds: Time from the answer to the label; None sends no labels.
        patience_seconds: How long one request is tried again before the run ends.
    """

    rows_per_second: float = 10.0
    batch_size: int = 1
    label_delay_seconds: float | None = 5.0
    patience_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where rows and labels go; asked before each request because a forward can move."""

    predictor: Callable[[], str]
    monitor: Callable[[], str]
    token: str


class Sender:
    """Sends one list of rows."""

    def __init__(
        self,
        rows: Sequence[Body],
        addresses: Addresses,
        rate: Rate,
        *,
        reserve: int = 0,
        schema: Schema = TAXI_SCHEMA,
        progress_file: ProgressFile | None = None,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._rows = rows
        self._addresses = addresses
        self._rate = rate
        self._reserve = reserve
        self._id, self._target = schema.id, schema.target.name
        self._file = progress_file
        self._on_progress = on_progress
        self._due: deque[tuple[float, Body]] = deque()
        self._client = httpx.Client(timeout=_TIMEOUT_SECONDS)
        self.stop = threading.Event()
        self.spend = threading.Event()
        self.progress = progress_file.load() if progress_file else Progress()
        self.refusals: dict[str, int] = {}
        self.label_refusals: dict[str, int] = {}

    def run(self) -> Progress:
        """Send until the rows end or `stop` is set; labels still due are sent at the end.

        The last `reserve` rows wait until `spend` is set.

        Raises:
            NotAvailableError: predictor or monitor did not answer within the patience.
            RefusedError: the monitor refuses the labels (for example the token).
            TaxiError: the progress cannot be written; nothing was sent then.
        """
        self._advance()
        with self._client:
            # Rows that were sent but not labelled before an interruption are due at once.
            for row in self._rows[self.progress.labelled : self.progress.sent]:
                self._due.append((0.0, row))
            self._send_up_to(len(self._rows) - self._reserve)
            while self._reserve and not (self.spend.is_set() or self.stop.is_set()):
                self._deliver_labels(time.monotonic())
                self.spend.wait(_LOOK_SECONDS)
            self._send_up_to(len(self._rows))
            while self._due and not self.stop.is_set():
                self.stop.wait(max(0.0, self._due[0][0] - time.monotonic()))
                self._deliver_labels(time.monotonic())
            if self.stop.is_set():
                self._deliver_labels(float("inf"))
        return self.progress

    def _send_up_to(self, count: int) -> None:
        begin, first = time.monotonic(), self.progress.sent
        while not self.stop.is_set() and self.progress.sent < count:
            batch = self._rows[self.progress.sent : count][: self._rate.batch_size]
            self._send(batch)
            self._deliver_labels(time.monotonic())
            expected = (self.progress.sent - first) / self._rate.rows_per_second
            self.stop.wait(max(0.0, begin + expected - time.monotonic()))

    def _send(self, batch: Sequence[Body]) -> None:
        bodies = [row.body for row in batch]
        if len(bodies) == 1 and self._rate.batch_size == 1:
            answer = self._post(self._addresses.predictor, "/predict", bodies[0], {})
            problems = [answer.json()] if answer.status_code == 422 else []
        else:
            answer = self._post(self._addresses.predictor, "/predict/batch", bodies, {})
            problems = [one for one in _items(answer.json()) if self._target not in one]
        for problem in problems:
            field = str(problem.get("field") or problem.get("detail") or "row")
            self.refusals[field] = self.refusals.get(field, 0) + 1
        if self._rate.label_delay_seconds is not None:
            due = time.monotonic() + self._rate.label_delay_seconds
            self._due.extend((due, row) for row in batch)
        self._advance(sent=len(batch), refused=len(problems))

    def _deliver_labels(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            ready = [row for due, row in list(self._due)[:_LABELS_AT_ONCE] if due <= now]
            self._post_labels([row for row in ready if row.label is not None])
            for _ in ready:
                self._due.popleft()
            self._advance(labelled=len(ready))

    def _post_labels(self, rows: Sequence[Body]) -> None:
        if not rows:
            return
        labels = [{self._id: row.body[self._id], self._target: row.label} for row in rows]
        headers = {"Authorization": f"Bearer {self._addresses.token}"}
        answer = self._post(self._addresses.monitor, "/v1/labels", {"labels": labels}, headers)
        for problem in answer.json().get("refused") or []:
            field = str(problem.get("field") or "label")
            self.label_refusals[field] = self.label_refusals.get(field, 0) + 1

    def _advance(self, *, sent: int = 0, refused: int = 0, labelled: int = 0) -> None:
        before = self.progress
        self.progress = replace(
            before,
            sent=before.sent + sent,
            refused=before.refused + refused,
            labelled=before.labelled + labelled,
        )
        if self._file is not None:
            self._file.save(self.progress)
        self._on_progress(self.progress)

    def _post(
        self, address: Callable[[], str], path: str, body: object, headers: dict[str, str]
    ) -> httpx.Response:
        """Post until it is answered; only answers that a repeat can change are repeated."""
        for attempt in tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((httpx.TransportError, NotAvailableError)),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=3.0),
            stop=tenacity.stop_after_delay(self._rate.patience_seconds),
            reraise=True,
        ):
            with attempt:
                try:
                    answer = self._client.post(f"{address()}{path}", json=body, headers=headers)
                except httpx.TransportError as error:
                    raise NotAvailableError(f"{path}: {error!r}; is the Service up?") from error
                if answer.status_code >= 500 or answer.status_code == 429:
                    raise NotAvailableError(f"{path}: {answer.status_code} {answer.text[:200]}")
                if answer.status_code not in {200, 202, 207, 422}:
                    raise RefusedError(f"{path}: {answer.status_code} {answer.text[:300]}")
                return answer
        raise AssertionError("tenacity returns or raises")


def _items(answer: Any) -> list[dict[str, Any]]:
    """Return the items of a batch answer, in order."""
    items: list[dict[str, Any]] = answer if isinstance(answer, list) else answer["results"]
    return items
