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
#: Of a folder whose files are named by who sends.
MAX_FILES: Final = 100
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_VISIBLE: Final = re.compile(r"[!-~]*")
_LOOK_SECONDS: Final = 1.0
_MAX_SWAPS: Final = 3
_Tokens = Mapping[str, tuple[str, ...]]


class TokenFiles:
    """The tokens of a folder's files by name; one that is not there has none.

    Where they cannot be used after the start, which is logged, only those tokens stay valid that
    are in the same file as before: a mistake lets nobody in, and keeps nobody who was taken away.

    Args:
        folder: Where the files are.
        names: Of the files, or what tells whether a file that is there is one; then there is at
            least one.
        clock: Monotonic, seconds; they are looked at once a second at most.

    Raises:
        FieldError: a file cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        names: Iterable[str] | Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._names = names if callable(names) else tuple(names)
        self._clock = clock
        self._problem = ""
        self._looked_at = clock()
        self._tokens = self._whole(self._read_in)

    def tokens(self) -> _Tokens:
        """Return the tokens by file, the one to send first."""
        if self._clock() - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = self._clock()
            try:
                self._tokens, problem = self._whole(self._read_in), ""
            except FieldError as error:
                self._tokens, problem = self._whole(self._left_in), str(error)
            if problem and problem != self._problem:
                logger.warning("no new tokens are taken", extra={"reason": problem})
            self._problem = problem
        return self._tokens

    def _whole(self, read: Callable[[Path], _Tokens]) -> _Tokens:
        """Read the files as of one moment: a kubelet swaps all files of a Secret at once."""
        for _ in range(_MAX_SWAPS):
            content = _content_of(self._folder)
            try:
                found = read(content)
            except FieldError:
                if _content_of(self._folder) == content:
                    raise
            else:
                if _content_of(self._folder) == content:
                    return found
        return read(_content_of(self._folder))

    def _read_in(self, content: Path) -> _Tokens:
        names = _names_in(content, self._names) if callable(self._names) else self._names
        return {name: _tokens_of(content / name) for name in names}

    def _left_in(self, content: Path) -> _Tokens:
        """Return the tokens of before that are still in their files."""
        return {name: _left_of(content / name, old) for name, old in self._tokens.items()}


def matches(given: str, tokens: Iterable[str]) -> bool:
    """Tell whether a token is one of these, in a time that tells nothing of them."""
    # All are compared, whichever fits.
    return sum(hmac.compare_digest(given.encode(), one.encode()) for one in tokens) > 0


def _content_of(folder: Path) -> Path:
    """Return the folder that has the files of a moment: where a kubelet's link leads, if any."""
    link = folder / "..data"
    return link.resolve() if link.is_symlink() else folder


def _left_of(path: Path, old: tuple[str, ...]) -> tuple[str, ...]:
    try:
        lines = path.read_bytes().decode(errors="replace").split("\n")
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError:
        # A process without a free descriptor, say: that tells nothing of what the file has.
        return old
    there = {line.strip() for line in lines}
    return tuple(one for one in old if one in there)


def _names_in(folder: Path, wanted: Callable[[str], bool]) -> list[str]:
    """Return the names of a folder's files that are wanted.

    Raises:
        FieldError: there is none, there are too many, or one is no name.
    """
    try:
        # Names that begin with two dots belong to the kubelet's way of swapping a volume's content.
        there = sorted(one.name for one in folder.iterdir() if not one.name.startswith(".."))
    except OSError as error:
        raise FieldError(str(folder), f"cannot be read ({error})", "mount the Secret") from error
    found = list(filter(wanted, there))
    if not 0 < len(found) <= MAX_FILES:
        raise FieldError(
            str(folder), f"has {len(found)} files", f"mount a Secret with 1 to {MAX_FILES} keys"
        )
    for name in found:
        if not _NAME.fullmatch(name):
            raise FieldError(
                str(folder), f"{name[:80]!r} is no name of a sender",
                "use letters, digits and ._-, at most 63",
            )  # fmt: skip
    return found


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
