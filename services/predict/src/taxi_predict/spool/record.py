"""What the spool keeps of an answered row: little, since the request pays for it.

The delivery makes the prediction record of it. The names of the values stand beside the segments,
once for each version (`taxi_predict.spool.columns`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from taxi_domain.records import PredictionRecord
from taxi_schema.column import Value
from taxi_schema.rows import Scalar


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False, omit_defaults=True):
    """One answered row.

    Attributes:
        row_id: Key of the row.
        milliseconds: Time of the answer since the epoch.
        model: Name of the model.
        model_version: Version that answered.
        model_role: Its role in this pod.
        event_time: Local time of the schema's zone, None when the client sent none.
        values: As the client sent them, in the order of the version's columns; None is missing.
        prediction: In the target's unit.
        latency_seconds: From the request's body to its answer; None without a request.
        extra: Fields that the schema does not declare.
        caller: Whose token came with the row; empty where none is asked for.
        trace: `traceparent` of the request; empty where it is in no trace.
    """

    row_id: str
    milliseconds: int
    model: str
    model_version: str
    model_role: str
    event_time: datetime | None
    values: tuple[Value, ...]
    prediction: float
    latency_seconds: float | None
    extra: dict[str, Scalar] | None = None
    caller: str = ""
    trace: str = ""

    def record(self, columns: Sequence[str]) -> PredictionRecord:
        """Return the prediction record.

        Args:
            columns: Names of the values.
        """
        return PredictionRecord(
            row_id=self.row_id,
            ts=datetime.fromtimestamp(self.milliseconds / 1000, UTC),
            event_time=self.event_time,
            model=self.model,
            model_version=self.model_version,
            model_role=self.model_role,
            inputs=dict(zip(columns, self.values, strict=True)),
            prediction=self.prediction,
            latency_seconds=self.latency_seconds,
            extra=self.extra or {},
            caller=self.caller,
        )


encode: Final = msgspec.msgpack.Encoder().encode
#: Raises msgspec.DecodeError.
decode: Final = msgspec.msgpack.Decoder(Entry).decode
