"""What happens to a ride between its request and its answer; knows no HTTP."""

import os
import time
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from taxi_domain.errors import FieldError, NotAvailableError, TaxiError
from taxi_domain.features import MODEL_OUTPUT, features_of
from taxi_domain.metrics import PREDICTOR_MODEL_INFO, PREDICTOR_REFUSED, PREDICTOR_UNLOGGED
from taxi_domain.rides import Ride, RideFields
from taxi_predict.metrics import Metrics
from taxi_predict.serving.buffered_metrics import BufferedMetrics
from taxi_predict.serving.model_cache import LoadedModel, ModelHolder
from taxi_predict.settings import Settings, SpoolFull
from taxi_predict.spool.record import Entry, encode
from taxi_predict.spool.writer import SpoolFullError, SpoolWriter

_ID_BYTES: Final = 16
_REASONS: Final = {reason for (reason,) in PREDICTOR_REFUSED.series}


class Answer(Struct, frozen=True, gc=False):
    """What the client gets for a ride."""

    ride_id: Annotated[str, Meta(description="Yours, or a new one; send the label with it.")]
    duration: Annotated[float, Meta(ge=0, description="Minutes.")]
    model_version: str


class Refusal(Struct):
    """What stands in a batch's answers in the place of a ride that has no answer."""

    index: Annotated[int, Meta(ge=0, description="Place in the batch.")]
    field: str
    detail: str
    status: Annotated[
        int, Meta(description="What the ride alone would get: 422, or 500 from the model.")
    ] = 422


class Serving(Struct, frozen=True):
    """What serves."""

    model: str
    model_role: str
    model_version: str
    digest: Annotated[str, Meta(description="SHA-256 of the artifact.")]
    kind: str | None
    data_window: Annotated[
        dict[str, Any] | None, Meta(description="Times of the rides that it was trained on.")
    ]
    metrics: Annotated[
        dict[str, Any] | None, Meta(description="Its errors when it was accepted, minutes.")
    ]


class NoModelError(NotAvailableError):
    """The model is not loaded yet."""


class NoAnswerError(TaxiError):
    """The model has no finite answer for a ride; the ride is not to blame."""

    def __init__(self) -> None:
        super().__init__(
            f"{MODEL_OUTPUT}: the model has no finite answer for this ride; other rides are "
            "answered, and it helps to go back to another model version"
        )


class Predictions:
    """Answers rides and logs the answers."""

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
        self._role = settings.alias
        self._spool_full = settings.spool_full
        self._clock = clock
        self.fields = RideFields(settings.max_distance_miles)
        self.parse = self.fields.parse
        self._buffered = buffered
        self._info = metrics[PREDICTOR_MODEL_INFO]
        self._shown_version = ""

    def answer(self, rides: Sequence[Ride], began: float) -> list[Answer | None]:
        """Predict, log and return the answers, in order; None where the model has none.

        What is not finite is no answer: it is neither logged nor counted as one.

        Args:
            rides: Of one request.
            began: When the request did, by `time.perf_counter()`, seconds.

        Raises:
            NoModelError: the model is not loaded yet.
            SpoolFullError: the rides cannot be logged and must not go unlogged.
            ModelError: the graph fails.
        """
        model = self.loaded()
        rows = [features_of(ride) for ride in rides]
        predicted = model.graph.predict(rows)
        latency = time.perf_counter() - began
        now = int(self._clock() * 1000)
        entries = [
            Entry(
                ride.ride_id or fresh, now, self._model, model.version, self._role,
                ride.pickup_zone, ride.dropoff_zone, ride.trip_distance_miles, ride.pickup_at,
                row.hour, row.weekday, minutes, latency,
            )
            for ride, row, minutes, fresh in zip(
                rides, rows, predicted, _ride_ids(len(rides)), strict=True
            )
            if isfinite(minutes)
        ]  # fmt: skip
        if self._spool is not None and entries:
            self._log(self._spool, entries)
        self._buffered.predicted([one.prediction for one in entries])
        answers = [Answer(one.ride_id, one.prediction, one.model_version) for one in entries]
        if len(answers) == len(rides):
            return answers  # type: ignore[return-value]  # nearly always
        left = iter(answers)
        return [next(left) if isfinite(minutes) else None for minutes in predicted]

    def loaded(self) -> LoadedModel:
        """Return the model that serves.

        Raises:
            NoModelError: it is not loaded yet; the text says why.
        """
        model = self._holder.current
        if model is None:
            raise NoModelError(self._holder.problem)
        if model.version != self._shown_version:
            self._info.labels(self._model, self._role, model.version).set(1)
            self._shown_version = model.version
        return model

    def describe(self, model: LoadedModel) -> Serving:
        """Say what serves."""
        card = model.card
        return Serving(
            self._model, self._role, model.version, model.digest, card.get("kind"),
            card.get("data_window"), card.get("metrics"),
        )  # fmt: skip

    def _log(self, spool: SpoolWriter, entries: Sequence[Entry]) -> None:
        try:
            spool.append([encode(one) for one in entries])
        except SpoolFullError:
            if self._spool_full is SpoolFull.REFUSE:
                raise
            self._metrics[PREDICTOR_UNLOGGED].labels("spool_full").inc(len(entries))


def _ride_ids(count: int) -> list[str]:
    """Return new ids; asking the kernel once is cheaper than once for each."""
    digits = os.urandom(_ID_BYTES * count).hex()
    size = 2 * _ID_BYTES
    return [digits[start : start + size] for start in range(0, size * count, size)]


def reason_of(error: FieldError) -> str:
    """Word for the counter of refused rides: the field when it is one of ours."""
    return error.field if error.field in _REASONS else "other"
