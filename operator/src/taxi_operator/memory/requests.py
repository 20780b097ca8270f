"""Requests that were taken up, as a status remembers them. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from taxi_operator.memory.fields import Fields
from taxi_operator.spec.orders import REQUESTS

#: Beside the words: why the newest request to go back was refused.
REFUSED: Final = "refused"
_EARLIER: Final = "earlier"
_MAX_EARLIER: Final = 24


def requests_of(found: Fields) -> Mapping[str, str] | None:
    """Read the words that were taken up last; None when nobody looked yet."""
    if not found.found:
        return None
    words = {word: found.text(word) or "" for word in REQUESTS}
    refused = found.text(REFUSED)
    return {**words, REFUSED: refused} if refused else words


def earlier_of(found: Fields) -> tuple[str, ...]:
    """Read those before them, each behind the word for it, oldest first."""
    return tuple(found.texts(_EARLIER, _MAX_EARLIER))


def with_earlier(earlier: tuple[str, ...], request: str, word: str | None) -> tuple[str, ...]:
    """Return the earlier words with one more: put back by a tool, it must not act again."""
    return (*earlier, f"{request} {word}")[-_MAX_EARLIER:] if word else earlier


def requests_document(
    requests: Mapping[str, str] | None, earlier: tuple[str, ...]
) -> dict[str, Any] | None:
    """Return the form that is written."""
    if requests is None:
        return None
    return {**requests, **({_EARLIER: list(earlier)} if earlier else {})}
