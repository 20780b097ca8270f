"""Options that several commands have: settings, spans of time, and the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

from pymongo.database import Database

from taxi_domain.errors import FieldError
from taxi_report.settings import Settings
from taxi_report.spans import Span, last, span_between
from taxi_runtime.settings import read
from taxi_store.connection import Document, connect, database_of


@contextmanager
def opened(settings: Settings) -> Iterator[Database[Document]]:
    """Open the database."""
    with connect(
        settings.mongodb_uri, app_name="taxi-report", timeout_seconds=settings.timeout_seconds
    ) as client:
        yield database_of(client)


def settings_of(model: str = "", zone: str = "") -> Settings:
    """Return the settings of the environment, some replaced by options.

    Raises:
        FieldError: one is missing or cannot be used.
    """
    given = {"TAXI_MODEL": model, "TAXI_REPORT_TIME_ZONE": zone}
    return read(Settings, {name: value for name, value in given.items() if value})


def span_of(start: str, end: str, length: str, zone: ZoneInfo, now: datetime) -> Span:
    """Return the span of `--from` and `--to`, or of `--last`.

    Raises:
        FieldError: neither or both are given, or they make no span.
    """
    if length and (start or end):
        raise FieldError("--last", "is given beside --from or --to", "give one or the other")
    if length:
        return last(length, zone, now)
    if not start:
        raise FieldError("--from", "is missing", "give --from (and --to), or --last 24h")
    return span_between(start, end or now.isoformat(), zone, now)
