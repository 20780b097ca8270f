"""Times in a status: RFC 3339 outside, seconds since the epoch inside."""

from datetime import UTC, datetime


def text_of(seconds: float | None) -> str | None:
    """Return the RFC 3339 form."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def seconds_since_epoch(text: str | None) -> float | None:
    """Return the seconds of an RFC 3339 time."""
    return None if text is None else datetime.fromisoformat(text).timestamp()
