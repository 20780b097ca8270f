"""Records of predictors that are not this project's, before they are put into the log for good.

What the log has, windows, reports and retraining take as it is. So more is asked here than where
records are read back, which take what they can of any document.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from bson.errors import BSONError

from taxi_domain.documents import record_of
from taxi_domain.errors import FieldError
from taxi_domain.models import Alias
from taxi_domain.numbers import MAX_NUMBER
from taxi_domain.records import EVENT_TIME, INPUTS, PredictionRecord
from taxi_schema.extra import field_of
from taxi_store.log.encoding import encoded, reencoded

#: Of one record as BSON: several times as much as a row of 64 columns and its extra fields.
MAX_RECORD_BYTES: Final = 64 * 1024
#: Clocks of machines differ by less.
MAX_AHEAD: Final = timedelta(minutes=5)
_EXTRA: Final = "extra"


def checked(
    item: Mapping[str, Any], model: str, versions: frozenset[str], now: datetime
) -> tuple[PredictionRecord, bytes]:
    """Return a posted record, and as BSON.

    Args:
        item: Of JSON.
        model: Name of the model whose records are taken.
        versions: Of it that the registry has, among those that were posted.
        now: Aware; answers of later than a moment afterwards are refused.

    Raises:
        FieldError: names the field that cannot be logged.
    """
    record = record_of(item)
    if record.model != model:
        raise FieldError("model", "is not that of this monitor", f"send {model}")
    if record.model_version not in versions:
        raise FieldError(
            "model_version", f"is not in the registry of {model}", "import it with taxi-models"
        )
    if record.model_role not in set(Alias):
        raise FieldError("model_role", "is no role", f"send {' or '.join(Alias)}")
    if abs(record.prediction) > MAX_NUMBER:
        raise FieldError("prediction", "is out of its limits", f"send at most {MAX_NUMBER:g}")
    _check_times(item, record, now)
    _check_names(item, record)
    return record, _encoded(record)


def _check_times(item: Mapping[str, Any], record: PredictionRecord, now: datetime) -> None:
    """Refuse times of which another one would be logged than was meant."""
    if datetime.fromisoformat(item["ts"]).tzinfo is None:
        raise FieldError("ts", "has no offset", "send the time of the answer with Z or +00:00")
    if record.ts > now + MAX_AHEAD:
        # It would be the newest row of the window until then.
        raise FieldError("ts", "is in the future", "set the clock of the predictor's machine")
    given = item.get(EVENT_TIME)
    if given is None:
        return
    if record.event_time is None:
        raise FieldError(EVENT_TIME, "is not a time", "send it as 2013-01-02T05:15:00, or null")
    if datetime.fromisoformat(given).tzinfo is not None:
        raise FieldError(
            EVENT_TIME, "has an offset", "send the local time in the schema's zone without one"
        )


def _check_names(item: Mapping[str, Any], record: PredictionRecord) -> None:
    for part, kept in ((INPUTS, record.inputs), (_EXTRA, record.extra)):
        for name in item.get(part) or ():
            if name not in kept:
                raise FieldError(
                    f"{part}.{field_of(name)}", "is not a scalar",
                    "send numbers, strings or null only",
                )  # fmt: skip
            if name.startswith("$"):
                raise FieldError(
                    f"{part}.{field_of(name)}", "reads as an operator of MongoDB",
                    "give the field a name without $ at its begin",
                )  # fmt: skip


def _encoded(record: PredictionRecord) -> bytes:
    try:
        data = encoded(record)
    except (BSONError, OverflowError, ValueError):
        raise FieldError(
            _unstorable(record), "MongoDB cannot hold it",
            "send integers of 64 bits, and texts and names of Unicode without NUL in names",
        ) from None  # fmt: skip
    if len(data) > MAX_RECORD_BYTES:
        raise FieldError(
            "record", f"is larger than {MAX_RECORD_BYTES} bytes", "send fewer extra fields"
        )
    return data


def _unstorable(record: PredictionRecord) -> str:
    """Return the first field that BSON does not take."""
    for name, document in _fields(record):
        try:
            reencoded(document)
        except (BSONError, OverflowError, ValueError):
            return name
    return "record"


def _fields(record: PredictionRecord) -> Iterator[tuple[str, dict[str, object]]]:
    for part, values in ((INPUTS, record.inputs), (_EXTRA, record.extra)):
        for name, value in values.items():
            yield f"{part}.{field_of(name)}", {name: value}
    for name, value in record.to_document().items():
        yield name, {name: value}
