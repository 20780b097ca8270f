"""Who may post what: two doors, and the tokens that open them.

Who answers rows has no business with their true values: a predictor that was broken into must not
be able to make its errors look small. So records come in by one token and labels by another.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Final

from taxi_domain.errors import FieldError
from taxi_runtime.problems import ProblemError
from taxi_runtime.tokens import TokenFiles, matches


class Door(StrEnum):
    """What a token opens; the name of its file, too."""

    #: Records, rows and events.
    INGEST = "ingest"
    LABELS = "labels"


#: File of a token that opens both doors, as releases had it that knew one alone.
BOTH: Final = "token"


class Tokens:
    """The tokens that are valid now.

    Args:
        single: Opens both doors; empty is none.
        folder: Has the files `ingest` and `labels`, or `token` for both doors; None is none.

    Raises:
        FieldError: a door has no token, or a file cannot be used.
    """

    def __init__(self, single: str, folder: Path | None) -> None:
        self._single = (single,) if single else ()
        self._files = TokenFiles(folder, (*Door, BOTH)) if folder is not None else None
        for door in Door:
            if not self._of(door):
                raise FieldError(
                    "TAXI_MONITOR_TOKENS", f"has no token for {door}",
                    f"mount a Secret with the keys {' and '.join(Door)}",
                )  # fmt: skip

    def require(self, door: Door, authorization: str) -> None:
        """Let who may pass.

        Args:
            door: That is knocked at.
            authorization: The header: a bearer token, or basic with the token as the password,
                which is how an address can carry it (`http://events:TOKEN@monitor/v1/events`).

        Raises:
            ProblemError: 401 without a token that is known, 403 with that of another door.
        """
        given = _given(authorization)
        if matches(given, self._of(door)):
            return
        if any(matches(given, self._of(other)) for other in Door):
            raise ProblemError(
                HTTPStatus.FORBIDDEN, f"Authorization: this token is not for {door}; send that of "
                f"the Secret's key {door}",
            )  # fmt: skip
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            f"Authorization: send `Bearer` and the monitor's token for {door}",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _of(self, door: Door) -> Sequence[str]:
        if self._files is None:
            return self._single
        tokens = self._files.tokens()
        return (*self._single, *tokens[door], *tokens[BOTH])


def _given(authorization: str) -> str:
    """Return the token that a header has, empty when there is none."""
    scheme, _, value = authorization.partition(" ")
    read = _SCHEMES.get(scheme.lower())
    return "" if read is None else read(value.strip())


def _password(value: str) -> str:
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return text.partition(":")[2]


_SCHEMES: Final[Mapping[str, Callable[[str], str]]] = {
    "bearer": lambda value: value, "basic": _password,
}  # fmt: skip
