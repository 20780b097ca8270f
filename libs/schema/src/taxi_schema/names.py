"""Which names a schema may give, and which texts a category may have."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from taxi_schema.column import MAX_TEXT
from taxi_schema.errors import SchemaError, shown

MAX_NAME: Final = 64
#: Parts of records and answers, and fixed reasons of the predictor's counters.
RESERVED: Final = frozenset(
    {
        "prediction", "target", "model_version", "body", "extra", "other", "malformed",
        "content_type", "too_large", "spool_full", "no_model", "overloaded", "unauthorized",
        "error", "not_finite", "event_time",
    }
)  # fmt: skip
#: A batch's answers have these in the place of the id and the target when a row is refused.
RESERVED_IN_ANSWERS: Final = frozenset({"index", "field", "detail", "status"})

#: No control characters, and no lone surrogates, which UTF-8 cannot write.
_PRINTABLE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def is_category(text: str) -> bool:
    r"""Tell whether a string category may have this value.

    >>> is_category("EWR"), is_category(""), is_category("a\x1fb")
    (True, False, False)
    """
    return 0 < len(text) <= MAX_TEXT and (
        text.isprintable() or _PRINTABLE.fullmatch(text) is not None
    )


def check_name(name: str, key: str) -> None:
    """Check what every name must be.

    Args:
        name: Of a field, a feature, a slice or a group.
        key: Where the schema has it.

    Raises:
        SchemaError: the name cannot stand in JSON, BSON, a label or a path.
    """
    problem = ""
    if not 0 < len(name) <= MAX_NAME or not _PRINTABLE.fullmatch(name):
        problem = f"is not 1 to {MAX_NAME} printable characters"
    elif name != name.strip():
        problem = "begins or ends with a space"
    elif name.startswith("$"):
        problem = "begins with $"
    elif "." in name:
        problem = "has a dot"
    if problem:
        raise SchemaError(
            key, f"{shown(name)} {problem}", "use a name of letters, digits and _ such as trip_km"
        )


def check_distinct(named: Iterable[tuple[str, str]]) -> None:
    """Check that no name is given twice.

    Args:
        named: Key and name of each.

    Raises:
        SchemaError: names the later key and the earlier one.
    """
    keys: dict[str, str] = {}
    for key, name in named:
        if name in keys:
            raise SchemaError(
                key, f"{shown(name)} is the name of {keys[name]} too", "give each its own name"
            )
        keys[name] = key


def check_not_reserved(name: str, key: str, more: Iterable[str] = ()) -> None:
    """Check that records, answers and counters do not use the name.

    Raises:
        SchemaError: they do.
    """
    if name in RESERVED or name in more:
        raise SchemaError(
            key, f"{shown(name)} is reserved for records and counters",
            f"use another name such as {name}_value",
        )  # fmt: skip


def nearest(name: str, known: Iterable[str]) -> str:
    """Return which known name was probably meant, as the end of a remedy; else all of them.

    >>> nearest("minimun", ["minimum", "maximum"])
    'did you mean minimum?'
    >>> nearest("x", ["minimum", "maximum"])
    'use one of maximum, minimum'
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"use one of {', '.join(names)}"
