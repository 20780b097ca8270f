"""What happens to a row between its request and its answer; knows no HTTP."""

import os
import time
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from taxi_domain.errors import NotAvailableError
from taxi_domain.metrics import (
    PREDICTOR_MODEL_INFO,
    PREDICTOR_REFUSED,
    PREDICTOR_UNLOGGED,
)
from taxi_predict.metrics import Metrics
from taxi_predict.serving.buffered_metrics import BufferedMetrics
from taxi_predict.serving.loaded_model import LoadedModel
from taxi_predict.serving.model_cache import ModelHolder
from taxi_predict.settings import Settings, SpoolFull
from taxi_predict.spool.record import Entry, encode
from taxi_predict.spool.writer import SpoolFullError, SpoolWriter
from taxi_schema.rows import Row

_ID_BYTES: Final = 16


class Refusal(Struct):
    """What stands in a batch's answers in the place of a row that has no answer."""

    index: Annotated[int, Meta(ge=0, description="Place in the batch.")]
    field: str
    detail: str
    status: Annotated[
        int, Meta(description="What the row alone would get: 422, or 500 from the model.")
    ] = 422


class Serving(Struct, frozen=True):
    """What serves."""

    model: str
    model_role: str
    model_version: str
    digest: Annotated[str, Meta(description="SHA-256 of the artifact.")]
    kind: str | None
    target: Annotated[str, Meta(description="Field of an answer that has the prediction.")]
    unit: Annotated[str, Meta(description="Of the target.")]
    schema_sha256: Annotated[str, Meta(description="SHA-256 of the schema's canonical JSON.")]
    data_window: Annotated[
        dict[str, Any] | None, Meta(description="Times of the rows that it was trained on.")
    ]
    metrics: Annotated[
        dict[str, Any] | None,
        Meta(description="Its errors when it was accepted, in the target's unit."),
    ]


class NoModelError(NotAvailableError):
    """The model is not loaded yet."""


class Predictions:
    """Answers rows and logs the answers."""

    def __init__(
        self,
        holder: ModelHolder,
        spool: SpoolWriter | None,
        metrics: Metrics,
        buffered: BufferedMetrics,
        settings: Settings,
        clock: Callable[[], float],
    ) -> None:
        self._holder = holder
        self._spool = spool
        self._metrics = metrics
        self._model = settings.model
        self._role = str(settings.alias)
        self._spool_full = settings.spool_full
        self._clock = clock
        self._buffered = buffered

    def begin(self, model: LoadedModel) -> None:
        """Prepare log and metrics for a model that will answer; may be called again.

        Raises:
            OSError: the disk has no room.
        """
        if self._spool is not None:
            self._spool.columns.keep(model.version, model.columns)
        self._buffered.begin(model)
        for field in model.fields:
            # There from the start, at zero: none was refused yet, and that is known.
            self._metrics[PREDICTOR_REFUSED].labels(field)
        self._metrics[PREDICTOR_MODEL_INFO].labels(self._model, self._role, model.version).set(1)

    def answer(
        self, model: LoadedModel, rows: Sequence[Row], began: float, caller: str = ""
    ) -> list[object]:
        """Predict, log and return the answers, in order; None where the model has none.

        What is not finite is no answer: it is neither logged nor counted as one.

        Args:
            model: That parsed the rows.
            rows: Of one request.
            began: When the request did, by `time.perf_counter()`, seconds.
            caller: Who asks; empty where nobody is asked for a token.

        Raises:
            SpoolFullError: the rows cannot be logged and must not go unlogged.
            ModelError: the graph fails.
        """
        predicted = model.graph.predict(list(map(model.features, rows)))
        latency = time.perf_counter() - began
        now = int(self._clock() * 1000)
        name, version, role = self._model, model.version, self._role
        entries = [
            Entry(
                row.id or fresh, now, name, version, role, row.event_time, row.values, answer,
                latency, row.extra, caller,
            )
            for row, answer, fresh in zip(rows, predicted, _row_ids(len(rows)), strict=True)
            if isfinite(answer)
        ]  # fmt: skip
        if self._spool is not None and entries:
            self._log(self._spool, entries)
        self._buffered.predicted([entry.prediction for entry in entries])
        for row in rows:
            if row.dropped:
                self._buffered.dropped(row.dropped)
        new = model.answer
        answers: list[object] = [new(entry.row_id, entry.prediction, version) for entry in entries]
        if len(answers) == len(rows):
            return answers  # nearly always
        left = iter(answers)
        return [next(left) if isfinite(answer) else None for answer in predicted]

    def loaded(self) -> LoadedModel:
        """Return the model that serves.

        Raises:
            NoModelError: it is not loaded yet; the text says why.
        """
        model = self._holder.current
        if model is None:
            raise NoModelError(self._holder.problem)
        return model

    def describe(self, model: LoadedModel) -> Serving:
        """Say what serves."""
        card, target = model.card, model.schema.target
        return Serving(
            self._model, self._role, model.version, model.digest, card.get("kind"), target.name,
            target.unit, model.schema.digest, card.get("data_window"), card.get("metrics"),
        )  # fmt: skip

    def _log(self, spool: SpoolWriter, entries: Sequence[Entry]) -> None:
        try:
            spool.append([encode(entry) for entry in entries])
        except SpoolFullError:
            if self._spool_full is SpoolFull.REFUSE:
                raise
            self._metrics[PREDICTOR_UNLOGGED].labels("spool_full").inc(len(entries))


def _row_ids(count: int) -> list[str]:
    """Return new ids; asking the kernel once is cheaper than once for each."""
    digits = os.urandom(_ID_BYTES * count).hex()
    size = 2 * _ID_BYTES
    return [digits[start : start + size] for start in range(0, size * count, size)]
