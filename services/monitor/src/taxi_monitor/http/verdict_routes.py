"""JSON of the verdict's history: blocks of a role over a span."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from flask import Blueprint, Response, request
from msgspec import Meta, Struct

from taxi_domain.errors import FieldError, NotAvailableError
from taxi_domain.models import Alias
from taxi_domain.verdicts import Side
from taxi_monitor.http.access import Token
from taxi_monitor.http.report_readers import ReportReaders
from taxi_monitor.http.routes import Parts
from taxi_monitor.http.verdict_forms import BlockForm, block_form
from taxi_runtime.bodies import JSON
from taxi_runtime.doors import Door
from taxi_runtime.problems import ProblemError
from taxi_store.verdicts.block_verdict import BlockVerdict
from taxi_store.verdicts.verdicts import MAX_POINTS, MAX_STREAMS, Span, chart_points


def _parameter(name: str, text: str, schema: Mapping[str, object]) -> dict[str, object]:
    return {
        "name": name, "in": "query", "required": False, "description": text, "schema": schema,
    }  # fmt: skip


_TIME: Final = {"type": "string", "format": "date-time"}
#: As OpenAPI has them.
VERDICT_PARAMETERS: Final = (
    _parameter("role", "Whose blocks.", {"enum": [str(one) for one in Alias]}),
    _parameter("side", "Of rows, or of labels.", {"enum": [str(one) for one in Side]}),
    _parameter("version", "Another version than the role's.", {"type": "string", "minLength": 1}),
    _parameter("from", "Blocks that ended then or later.", _TIME),
    _parameter("to", "Blocks that ended then or before.", _TIME),
    _parameter(
        "points", "Blocks at most.", {"type": "integer", "minimum": 1, "maximum": MAX_POINTS}
    ),
    _parameter(
        "stream", "Streams whose scores and evidence are told.",
        {"type": "array", "items": {"type": "string"}, "maxItems": MAX_STREAMS},
    ),
)  # fmt: skip

_NUMBER: Final = re.compile(r"[0-9]{1,6}")
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)


class VerdictsForm(Struct, frozen=True):
    """Blocks of a role over a span."""

    model: str
    role: str
    side: str
    blocks: Annotated[
        list[BlockForm],
        Meta(
            description="In the order of time; of more than `points` those with most evidence, one "
            "for each stretch of equal time."
        ),
    ]


def verdict_blueprint(parts: Parts, readers: ReportReaders) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("verdicts", __name__)

    @routes.get("/v1/verdicts")
    @Door("readers", Token.READ)
    def verdicts() -> Response:
        # All of it is read first: what is wrong is wrong for a role without a version, too.
        role, side, points, streams = _role(), _side(), _points(), _streams()
        start = _time("from", _FIRST)
        end = _time("to", datetime.fromtimestamp(parts.clock(), UTC))
        named, version = _version(), parts.state.version_of(role)
        if version is None:
            return _json(VerdictsForm(parts.model, role, side, []))
        span = Span(parts.model, side, start, end, (named or version,))
        found = readers.run(lambda: _read(parts, span, points, streams))
        return _json(VerdictsForm(parts.model, role, side, [block_form(one) for one in found]))

    return routes


def _read(parts: Parts, span: Span, points: int, streams: tuple[str, ...]) -> list[BlockVerdict]:
    try:
        return chart_points(parts.database, span, streams=streams, points=points)
    except NotAvailableError as error:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"verdicts: cannot be read ({error}); ask again",
            retry_after=5,
        ) from error


def _role() -> Alias:
    text = request.args.get("role", str(Alias.CHAMPION))
    try:
        return Alias(text)
    except ValueError:
        names = ", ".join(Alias)
        raise FieldError("role", f"{text[:40]!r} is none", f"give one of {names}") from None


def _side() -> Side:
    text = request.args.get("side", str(Side.ROWS))
    try:
        return Side(text)
    except ValueError:
        names = ", ".join(Side)
        raise FieldError("side", f"{text[:40]!r} is none", f"give one of {names}") from None


def _version() -> str | None:
    text = request.args.get("version")
    if text == "":
        raise FieldError("version", "is empty", "name one, or leave it out")
    return text


def _time(name: str, default: datetime) -> datetime:
    text = request.args.get(name)
    if text is None:
        return default
    try:
        # A plus sign of an offset arrives as a space.
        found = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise FieldError(
            name, f"{text[:40]!r} is no time", "give one such as 2021-03-01T08:00Z"
        ) from None


def _points() -> int:
    text = request.args.get("points", str(MAX_POINTS))
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= MAX_POINTS:
        raise FieldError("points", f"{text[:20]!r} is out of range", f"give 1 to {MAX_POINTS}")
    return int(text)


def _streams() -> tuple[str, ...]:
    streams = tuple(request.args.getlist("stream"))
    if len(streams) > MAX_STREAMS:
        raise FieldError("stream", f"{len(streams)} are too many", f"give at most {MAX_STREAMS}")
    return streams


def _json(form: VerdictsForm) -> Response:
    return Response(msgspec.json.encode(form), content_type=JSON)
