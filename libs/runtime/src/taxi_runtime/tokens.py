"""Tokens in files, as Secrets are mounted: read again while the process runs.

A file has one token a line. The first is the one to send; a server takes them all, so that an old
and a new one are valid at once while a token is changed.
"""

import hmac
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from taxi_domain.errors import FieldError

logger = logging.getLogger(__name__)

MIN_TOKEN: Final = 8
#: Of a file: one to send, one that is on its way out, and room.
MAX_TOKENS: Final = 8
_VISIBLE: Final = re.compile(r"[!-~]*")
_LOOK_SECONDS: Final = 1.0


class TokenFiles:
    """The tokens of a folder's files by name; one that is not there has none.

    What cannot be used after the start is logged, and what was read before goes on.

    Args:
        folder: Where the files are.
        names: Of the files.
        clock: Monotonic, seconds; they are looked at once a second at most.

    Raises:
        FieldError: a file cannot be used.
    """

    def __init__(
        self, folder: Path, names: Iterable[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._names = tuple(names)
        self._clock = clock
        self._problem = ""
        self._looked_at = clock()
        self._tokens = self._read()

    def tokens(self) -> Mapping[str, tuple[str, ...]]:
        """Return the tokens by file, the one to send first."""
        if self._clock() - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = self._clock()
            try:
                self._tokens, problem = self._read(), ""
            except FieldError as error:
                problem = str(error)
            if problem and problem != self._problem:
                logger.warning("tokens are not read anew", extra={"reason": problem})
            self._problem = problem
        return self._tokens

    def _read(self) -> dict[str, tuple[str, ...]]:
        return {name: _tokens_of(self._folder / name) for name in self._names}


def matches(given: str, tokens: Iterable[str]) -> bool:
    """Tell whether a token is one of these, in a time that tells nothing of them."""
    # All are compared, whichever fits.
    return sum(hmac.compare_digest(given.encode(), one.encode()) for one in tokens) > 0


def _tokens_of(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text().split("\n")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise FieldError(str(path), f"cannot be read ({error})", "mount the Secret") from error
    found = tuple(line.strip() for line in lines if line.strip())
    if not found or len(found) > MAX_TOKENS:
        raise FieldError(
            str(path), f"has {len(found)} tokens", f"put 1 to {MAX_TOKENS} into it, one a line"
        )
    if not all(len(one) >= MIN_TOKEN and _VISIBLE.fullmatch(one) for one in found):
        raise FieldError(
            str(path), "has a token that cannot be used",
            f"give each {MIN_TOKEN} or more letters, digits and -._~+/=",
        )  # fmt: skip
    return found
