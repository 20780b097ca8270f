"""Looks at an image from the inside, at the end of its build, and writes its bill of materials.

The build fails when something cannot be imported, when a program could change its user, when there
is a shell that the part does not ask for, or when the image is larger than it says.
"""

import importlib
import json
import os
import stat
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

sys.path.append(str(Path(__file__).parent))
import bill
import licences

STATUS: Final = Path("/var/lib/dpkg/status.d")
#: Modules of the standard library that need a library of Debian each.
NATIVE: Final = ("bz2", "ctypes", "hashlib", "lzma", "sqlite3", "ssl", "uuid", "zlib", "zoneinfo")
SHELLS: Final = ("sh", "bash", "dash", "busybox", "ksh", "zsh")
_ELSEWHERE: Final = {"/proc", "/sys", "/dev", "/inspection"}
_MEGABYTE: Final = 1_000_000


def files(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield every file and folder of the image with what `lstat` says of it."""
    for folder, names, found in os.walk(root):
        names[:] = [name for name in names if str(Path(folder, name)) not in _ELSEWHERE]
        for name in (*names, *found):
            path = Path(folder, name)
            yield path, path.lstat()


def problems(image: dict[str, Any], root: Path) -> list[str]:
    """Return what must not be in the image.

    Args:
        image: The part's table `tool.taxi.image`: `debian` (packages beside the shared ones) and
            `max_megabytes`.
        root: Of the file system.
    """
    found, size = [], 0
    may_have_a_shell = "dash" in image.get("debian", [])
    for path, state in files(root):
        if stat.S_ISREG(state.st_mode):
            size += state.st_size
            if state.st_mode & (stat.S_ISUID | stat.S_ISGID):
                found.append(f"{path}: runs as another user than who starts it; remove it")
        if path.name in SHELLS and path.parent.name in {"bin", "sbin"} and not may_have_a_shell:
            found.append(f"{path}: is a shell; remove it, or name dash in `debian`")
        if stat.S_ISREG(state.st_mode) and state.st_mode & stat.S_IWOTH:
            found.append(f"{path}: everybody can write it")
    if size > image["max_megabytes"] * _MEGABYTE:
        found.append(
            f"{size / _MEGABYTE:.0f} MB are more than max_megabytes = {image['max_megabytes']}; "
            "prune what is not read, or raise it"
        )
    print(f"{size / _MEGABYTE:.0f} MB")
    return found


def main(project: str, target: str) -> int:
    """Look at the image; return 1 when something is wrong with it."""
    settings = tomllib.loads(Path(project).read_text())
    image = settings["tool"]["taxi"]["image"]
    for name in (*NATIVE, *image["imports"]):
        importlib.import_module(name)
    try:
        components = [bill.of_python(one) for one in distributions()]
        components += [bill.of_debian(bill.control_of(one)) for one in STATUS.iterdir()]
    except bill.UnknownLicenceError as error:
        print(error, file=sys.stderr)
        return 1
    wrong = problems(image, Path("/"))
    wrong += [
        f"{one['name']}: {one['licenses']} is not among ALLOWED in images/part/licences.py"
        for one in components
        if not licences.is_allowed(one["name"], bill.expression_of(one))
        and not one["name"].startswith("taxi-")
    ]
    for one in wrong:
        print(one, file=sys.stderr)
    part = settings["project"]["name"].removeprefix("taxi-")
    whole = bill.bill(part, settings["project"]["version"], components)
    Path(target).write_text(json.dumps(whole, indent=1) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
