"""Who asks: tokens of an `Authorization` header, and the names that they stand for."""

import base64
import binascii
import hashlib
import logging
import os
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from taxi_domain.errors import FieldError
from taxi_runtime.problems import ProblemError
from taxi_runtime.tokens import TokenFiles

logger = logging.getLogger(__name__)

#: What browsers ask their user by; the user's name is not looked at, the password is the token.
CHALLENGES: Final[Mapping[str, str]] = {
    "WWW-Authenticate": 'Bearer, Basic realm="taxi-monitoring", charset="UTF-8"'
}


class Callers:
    """Who may ask, by name: each file of a folder is named after a caller and has its tokens.

    They are read again while the process runs, so callers come, change their token and go without
    a restart. While two have the same token, only those tokens are valid that their callers had.

    Args:
        folder: Where the files are.
        clock: Monotonic, seconds.

    Raises:
        FieldError: a file cannot be used, or two callers have the same token.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        # Names are found by digests: how long that takes tells nothing of a token.
        self._key = os.urandom(32)
        self._folder = folder
        self._files = TokenFiles(folder, lambda _name: True, clock)
        self._seen: Mapping[str, tuple[str, ...]] | None = None
        self._names: dict[bytes, str] = {}
        self._look()

    def name_of(self, authorization: str) -> str | None:
        """Return the caller whose token a header has, None when it has none that is valid."""
        self._look()
        token = token_of(authorization)
        return self._names.get(self._digest(token)) if token else None

    def require(self, authorization: str) -> str:
        """Return the caller.

        Raises:
            ProblemError: 401 without a token that is valid.
        """
        name = self.name_of(authorization)
        if name is None:
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED, "Authorization: send `Bearer` and a caller's token",
                reason="unauthorized", headers=CHALLENGES,
            )  # fmt: skip
        return name

    def _look(self) -> None:
        tokens = self._files.tokens()
        if tokens is self._seen:
            return
        is_first, is_changed = self._seen is None, tokens != self._seen
        self._seen = tokens
        if not is_changed:
            return
        try:
            self._names = self._named(tokens)
        except FieldError as error:
            if is_first:
                raise
            # Who was taken away is out, whatever else is wrong; nobody comes or gets a new token.
            left = {(self._digest(one), name) for name, found in tokens.items() for one in found}
            self._names = {one: name for one, name in self._names.items() if (one, name) in left}
            logger.warning("no new callers are taken", extra={"reason": str(error)})

    def _named(self, tokens: Mapping[str, tuple[str, ...]]) -> dict[bytes, str]:
        names: dict[bytes, str] = {}
        for name, found in tokens.items():
            for digest in map(self._digest, found):
                if names.setdefault(digest, name) != name:
                    raise FieldError(
                        str(self._folder), f"{names[digest]} and {name} have the same token",
                        "give each caller one of its own",
                    )  # fmt: skip
        return names

    def _digest(self, token: str) -> bytes:
        return hashlib.blake2b(token.encode(), key=self._key, digest_size=16).digest()


def token_of(authorization: str) -> str:
    """Return the token that a header has, empty when there is none.

    Args:
        authorization: A bearer token, or basic with the token as the password, which is how an
            address can carry it (`http://events:TOKEN@monitor/v1/events`), and a browser.
    """
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
