"""Who may post what and read: the doors, and the tokens that open them.

Who answers rows has no business with their true values: a predictor that was broken into must not
be able to make its errors look small. So records come in by one token and labels by another.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Final

from flask import Flask, g, request

from taxi_domain.errors import FieldError
from taxi_runtime.callers import CHALLENGES, token_of
from taxi_runtime.doors import door_of
from taxi_runtime.problems import ProblemError
from taxi_runtime.tokens import TokenFiles, matches


class Token(StrEnum):
    """What a token opens; its file is called so, or `<door>.<name of a sender>`."""

    #: Records, rows and events.
    INGEST = "ingest"
    LABELS = "labels"
    #: Pages, reports and what else is read, where reading is closed.
    READ = "read"


#: File of a token that opens all doors, as releases had it that knew one alone.
ALL: Final = "token"


class Tokens:
    """The tokens that are valid now.

    Args:
        single: Opens all doors; empty is none.
        folder: Has files named after doors, or `token` for all; None is none.
        reading_closed: Whether who reads is asked for a token.

    Raises:
        FieldError: a door that is closed has no token, or a file cannot be used.
    """

    def __init__(self, single: str, folder: Path | None, *, reading_closed: bool = False) -> None:
        self._single: Mapping[str, tuple[str, ...]] = {ALL: (single,)} if single else {}
        self._files = TokenFiles(folder, _is_known) if folder is not None else None
        self._open = frozenset[Token]() if reading_closed else frozenset({Token.READ})
        for door in Token:
            if door not in self._open and not any(True for _ in self._of(door)):
                raise FieldError(
                    "TAXI_MONITOR_TOKENS", f"has no token for {door}",
                    f"mount a Secret with the key {door}",
                )  # fmt: skip

    def require(self, door: Token, authorization: str) -> str:
        """Let who may pass; return the name of the token, empty where none is asked for.

        Args:
            door: That is knocked at.
            authorization: The header.

        Raises:
            ProblemError: 401 without a token that is known, 403 with that of another door.
        """
        if door in self._open:
            return ""
        given = token_of(authorization)
        name = next((name for name, one in self._of(door) if matches(given, one)), None)
        if name is not None:
            return name
        if any(matches(given, one) for other in Token for _, one in self._of(other)):
            raise ProblemError(
                HTTPStatus.FORBIDDEN, f"Authorization: this token is not for {door}; send that of "
                f"the Secret's key {door}",
            )  # fmt: skip
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            f"Authorization: send `Bearer` and the monitor's token for {door}",
            # A browser asks its user for reading alone.
            headers=CHALLENGES if door is Token.READ else {"WWW-Authenticate": "Bearer"},
        )

    def _of(self, door: Token) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the tokens of a door by the names of their files."""
        files = self._files.tokens() if self._files is not None else {}
        for name, tokens in (*self._single.items(), *files.items()):
            if name.partition(".")[0] in {door, ALL}:
                yield name, tokens


def guard(app: Flask, tokens: Tokens) -> None:
    """Ask for the token of a route's door before the route is called; `g.sender` is its name."""

    @app.before_request
    def ask() -> None:
        g.sender = ""
        door = door_of(app, request.endpoint)
        if door is not None and door.token:
            authorization = request.headers.get("Authorization", "")
            g.sender = tokens.require(Token(door.token), authorization)


def _is_known(name: str) -> bool:
    """Tell whether a file has tokens of a door; a Secret of one's own may have other keys."""
    return name.partition(".")[0] in {ALL, *Token}


def sender_of(name: str) -> str:
    """Return what the log says of a token: its sender's name, empty where it is the door's own.

    >>> sender_of("labels.billing"), sender_of("labels")
    ('billing', '')
    """
    return name.partition(".")[2]
