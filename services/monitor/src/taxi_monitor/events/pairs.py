"""Records of an inference whose two halves are there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from taxi_domain.errors import FieldError
from taxi_domain.ids import check_id
from taxi_domain.models import Alias
from taxi_domain.records import EVENT_TIME, INPUTS, utc
from taxi_monitor.events.cloudevents import DEFAULT_ENDPOINTS, Event
from taxi_monitor.events.protocols import Answers, Asked, answers_of, rows_of, value_of
from taxi_schema.extra import keep
from taxi_schema.schema import Schema
from taxi_schema.times import LocalTimes
from taxi_store.log.pending import Pair, Side

_NESTED: Final = (list, dict)


@dataclass(frozen=True, slots=True)
class Versions:
    """Whose answers can be logged, and what those of an unnamed version are taken for.

    Attributes:
        champion: The version that the alias points at.
        fallback: As well, None without one.
        known: Those of the registry among the ones that bodies name.
    """

    champion: str
    fallback: str | None
    known: frozenset[str]

    def role_of(self, version: str) -> str:
        """Return the role of a version where it answered.

        Raises:
            FieldError: it has none; a record of another role's would stand in training for good.
        """
        if version == self.champion:
            return Alias.CHAMPION
        if version == self.fallback:
            return Alias.FALLBACK
        raise FieldError(
            "modelversion", f"{version[:64]} is neither the champion nor the fallback",
            "send the events of these two alone, or move the alias when you roll out a version",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Read:
    """A pair whose bodies were read."""

    pair: Pair
    rows: list[Asked]
    answers: Answers


def side_of(event: Event) -> Side:
    """Return what of an event waits for the other half.

    Raises:
        FieldError: its type is none of an inference's.
    """
    if event.half is None:
        raise FieldError("type", "is none of an inference", "send requests and responses")
    content: dict[str, Any] = {
        "data": event.data, "bytes": len(event.data), "time": event.time,
        "version": event.version, "endpoint": event.endpoint,
    }  # fmt: skip
    return Side(event.id, event.half, content)


def read(pair: Pair, schema: Schema) -> Read:
    """Read the bodies of a pair.

    Raises:
        FieldError: one of them cannot be read, or they do not belong together.
    """
    rows = rows_of(pair.request["data"], schema)
    answers = answers_of(pair.response["data"], schema.target.name)
    if len(rows) != len(answers.predictions):
        raise FieldError(
            "predictions", f"are {len(answers.predictions)} for {len(rows)} rows",
            "send one for each row",
        )  # fmt: skip
    return Read(pair, rows, answers)


def version_of(found: Read, versions: Versions) -> str:
    """Return the version that answered.

    Raises:
        FieldError: it is not the champion's endpoint, and nothing says whose it is.
    """
    response, request = found.pair.response, found.pair.request
    named = response["version"] or request["version"]
    if named:
        return str(named)
    if found.answers.version in versions.known:
        return found.answers.version
    if response["endpoint"] not in DEFAULT_ENDPOINTS:
        raise FieldError(
            "endpoint", f"{response['endpoint'][:64]} has no version of the registry",
            "send its version as the event's attribute modelversion, or as protocol 2's "
            "model_version",
        )  # fmt: skip
    return versions.champion


def items_of(
    found: Read, schema: Schema, common: Mapping[str, object], now: datetime
) -> list[dict[str, object] | FieldError]:
    """Return records as JSON has them, or why a row cannot be one.

    Args:
        found: The pair.
        schema: Of the version.
        common: Fields of all of them: model, version and role.
        now: Aware; the time of answers whose events say none.
    """
    said: datetime | None = found.pair.response["time"]
    ts = utc(said) if said else now.astimezone(UTC)
    alone = len(found.rows) == 1
    items: list[dict[str, object] | FieldError] = []
    for place, (row, prediction) in enumerate(
        zip(found.rows, found.answers.predictions, strict=True)
    ):
        default = found.pair.id if alone else f"{found.pair.id}-{place}"
        try:
            own = _row_of(row.fields, schema, default)
        except FieldError as error:
            items.append(error)
        else:
            items.append({**common, **own, "ts": ts.isoformat(), "prediction": prediction})
    return items


def _row_of(fields: Mapping[str, object], schema: Schema, default_id: str) -> dict[str, object]:
    given = fields.get(schema.id)
    row_id = check_id(default_id, "id") if given is None else check_id(given, schema.id)
    known = {schema.id}
    moment = None
    if schema.event_time is not None:
        known.add(schema.event_time.name)
        moment = LocalTimes(schema.event_time).parse(fields.get(schema.event_time.name))
    inputs = {column.name: value_of(column, fields.get(column.name)) for column in schema.columns}
    # The model answered, whatever else was sent: what the log cannot hold is left out.
    extra, _ = keep(
        (name, value)
        for name, value in fields.items()
        if name not in known and name not in inputs and not isinstance(value, _NESTED)
    )
    return {
        "_id": row_id, EVENT_TIME: moment and moment.isoformat(), INPUTS: inputs,
        "extra": extra or {},
    }  # fmt: skip
