"""Texts and documents within bounds: what other programs say must not fill a status. Pure."""

from collections.abc import Mapping
from typing import Any, Final

#: Longest text of a status, and longest list.
MAX_TEXT: Final = 4096
MAX_ITEMS: Final = 32


def cut(text: object, longest: int) -> str:
    """Return a text that is not longer than it may be.

    >>> cut("abcdef", 4)
    'abc…'
    """
    found = str(text)
    return found if len(found) <= longest else f"{found[: longest - 1]}…"


def bounded(document: Any) -> Any:
    """Return a JSON document whose texts and lists are not longer than they may be."""
    if isinstance(document, str):
        return cut(document, MAX_TEXT)
    if isinstance(document, Mapping):
        return {name: bounded(value) for name, value in document.items()}
    if isinstance(document, list | tuple):
        return [bounded(one) for one in document[:MAX_ITEMS]]
    return document
