"""The prediction record: what the predictor logs and the monitor reads.

It travels three ways (spool, monitor, MongoDB) in one shape, `to_document`. What the model saw
beyond the inputs is not stored: schema and inputs give it again.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

#: Where the parts of a record stand that readers of many records take by themselves.
INPUTS: Final = "inputs"
EVENT_TIME: Final = "event_time"
#: Where a stored label has its value.
LABEL_VALUE: Final = "value"

#: Most records or labels that the monitor takes at once, and most bytes of them: most records have
#: about 400, the widest rows some 12,000, so their senders split by bytes.
MAX_PUSHED: Final = 10_000
MAX_PUSHED_BYTES: Final = MAX_PUSHED * 1024

_NOTHING: Final[Mapping[str, object]] = {}


class Shadow(NamedTuple):
    """What another model version answered for the same row."""

    model_version: str
    prediction: float


class PredictionRecord(NamedTuple):
    """One answered row.

    Attributes:
        row_id: Key everywhere; a repeat changes nothing.
        ts: Time of the answer, UTC.
        event_time: Naive local time of the event, in the schema's zone; None when not known.
        model: Name of the model.
        model_version: Version that answered.
        model_role: Role of that version where it answered (champion, candidate, fallback).
        inputs: Values of the schema's columns by name, None where missing.
        prediction: In the target's unit.
        latency_seconds: From the request's body to its answer, the whole batch's for a row of
            one; None when it is not known.
        extra: Fields of the request that the schema does not declare.
        shadow: Answers of other versions for the same row.
        caller: Name of who asked; empty where nobody is asked for a token.
    """

    row_id: str
    ts: datetime
    event_time: datetime | None
    model: str
    model_version: str
    model_role: str
    inputs: Mapping[str, object]
    prediction: float
    latency_seconds: float | None = None
    extra: Mapping[str, object] = _NOTHING
    shadow: tuple[Shadow, ...] = ()
    caller: str = ""

    def to_document(self) -> dict[str, object]:
        """Shape for MongoDB, the spool and the monitor.

        Without extra fields there is no `extra`, without a caller no `caller`. Times are left as
        they are; BSON has them in whole milliseconds.
        """
        document: dict[str, object] = {
            "_id": self.row_id,
            "ts": self.ts,
            EVENT_TIME: self.event_time,
            "model": self.model,
            "model_version": self.model_version,
            "model_role": self.model_role,
            INPUTS: dict(self.inputs),
            "prediction": self.prediction,
            "latency_seconds": self.latency_seconds,
            "shadow": [shadow._asdict() for shadow in self.shadow],
        }
        if self.caller:
            document["caller"] = self.caller
        if self.extra:
            document["extra"] = dict(self.extra)
        return document


def utc(moment: datetime) -> datetime:
    """Give a naive time (as pymongo returns it) the zone UTC; convert an aware one."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Label(NamedTuple):
    """The true value of a row's target, in its unit, and when it came (UTC)."""

    row_id: str
    value: float
    ts: datetime
