"""Log lines as JSON on standard output, and what all lines within something are about."""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

#: Fields that join lines of several parts, and with traces.
POLICY: Final = "policy"
DECISION: Final = "decision"
ROW_ID: Final = "row_id"

#: What every record has, and what kopf hangs onto its own.
_STANDARD = set(vars(logging.makeLogRecord({}))) | {
    "message", "asctime", "taskName", "settings", "k8s_skip", "k8s_ref",
}  # fmt: skip
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_FIELDS: Final[ContextVar[Mapping[str, str]]] = ContextVar("taxi_log_fields", default=_NOTHING)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: the phrase, and what `extra` and the context gave."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class ContextFields(logging.Filter):
    """Gives each record the fields of its context; what a line says itself wins.

    Args:
        always: Fields of all lines of the process.
    """

    def __init__(self, always: Mapping[str, str] = _NOTHING) -> None:
        super().__init__()
        self._always = always

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields; every record is logged."""
        for name, value in {**self._always, **_FIELDS.get()}.items():
            if name not in vars(record):
                setattr(record, name, value)
        return True


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Give these fields to all lines within, also of tasks that are begun there.

    Args:
        fields: By name; empty ones are left out.
    """
    given = {name: value for name, value in fields.items() if value}
    token = _FIELDS.set({**_FIELDS.get(), **given})
    try:
        yield
    finally:
        _FIELDS.reset(token)


def present() -> Mapping[str, str]:
    """Return the fields that lines have here."""
    return _FIELDS.get()


def set_up(**always: str) -> None:
    """Send all log lines of this process to standard output; called by entry files only.

    Args:
        always: Fields of all of them.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(ContextFields(always))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # One line for each probe and each call would hide everything else.
    for noisy in ("aiohttp.access", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
