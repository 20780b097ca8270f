"""Ids of rows: the client's own, or made where it sends none."""

import re
from typing import Final

from taxi_domain.errors import FieldError

MAX_ID: Final = 64
ID_PATTERN: Final = rf"[A-Za-z0-9._-]{{1,{MAX_ID}}}"
_WHOLE: Final = re.compile(ID_PATTERN).fullmatch


def check_id(value: object, field: str) -> str:
    """Return an id; an integer is taken as its decimal text.

    Raises:
        FieldError: it is not 1..64 of ``[A-Za-z0-9._-]``.

    >>> check_id(7, "order")
    '7'
    """
    if type(value) is str and _WHOLE(value):
        return value
    if type(value) is int and -(10 ** (MAX_ID - 1)) < value < 10**MAX_ID:
        return str(value)
    problem = "is missing" if value is None else "is not an id"
    raise FieldError(field, problem, f"send 1 to {MAX_ID} of A-Z a-z 0-9 . _ -")


def check_stored_id(value: object, field: str) -> str:
    """Return the id of a stored document, which is a string.

    Raises:
        FieldError: it is none.
    """
    return check_id(value if isinstance(value, str) else object(), field)
