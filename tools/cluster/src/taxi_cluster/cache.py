"""Where built pieces are kept: below the user's cache folder, keyed by what made them."""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from taxi_cluster.progress import say


def cache_folder() -> Path:
    """Return (and make) the project's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "taxi-monitoring"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def repository() -> Path:
    """Return the root of the work tree that this package stands in."""
    return Path(__file__).parents[4]


def key_of(*parts: str | bytes) -> str:
    """Return 12 hex digits that stand for the parts, in order.

    >>> key_of("a", "b") != key_of("ab")
    True
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:12]


def key_of_files(paths: Iterable[Path], root: Path) -> str:
    """Return a key of the content, names and executable bits of files."""
    parts: list[str | bytes] = []
    for path in sorted(paths):
        parts += [str(path.relative_to(root)), str(os.access(path, os.X_OK)), path.read_bytes()]
    return key_of(*parts)


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Hold the lock `name`, so that two runs do not build the same thing at once."""
    with (cache_folder() / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another run works on the same ({name}): waiting for its end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
