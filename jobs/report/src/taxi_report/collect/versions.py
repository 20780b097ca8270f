"""What a worker runs, compared with what the report runs: other code profiles in another way."""

import socket
import sys
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Final

import taxi_domain
import taxi_profiles
import taxi_report
import taxi_schema
import taxi_store
from taxi_domain.errors import NotAvailableError
from taxi_report.collect.partition import Part, Task, part_of

#: Packages that profiles, or the way to them, depend on.
PACKAGES: Final = ("dask", "distributed", "cloudpickle", "numpy", "pymongo", "tzdata")
#: Name of the project's own code among the packages.
CODE: Final = "taxi_report"
NONE: Final = "none"
_OWN: Final = (taxi_domain, taxi_schema, taxi_profiles, taxi_store, taxi_report)
_DIGITS: Final = 12


class VersionsDifferError(NotAvailableError):
    """A part of the cluster runs other code than the report."""


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages here."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = NONE
    return found


def code_version() -> str:
    """Return a digest of the project's own code here.

    The distributions' version stands still between releases, and none is known where the code runs
    from its sources.
    """
    digest = sha256()
    for package in _OWN:
        (folder,) = package.__path__
        for path in sorted(Path(folder).rglob("*.py")):
            digest.update(f"{package.__name__}/{path.relative_to(folder)}\0".encode())
            digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:_DIGITS]


@lru_cache(maxsize=1)
def versions() -> Mapping[str, str]:
    """Return all versions here; each process looks once, since what it has loaded stays."""
    return {**package_versions(), CODE: code_version()}


def check(what: str, theirs: Mapping[str, str], own: Mapping[str, str]) -> None:
    """Compare the versions of a part of the cluster with those of the report.

    Args:
        what: The part, for people.
        theirs: Its versions; what is not in them is not there.
        own: Those of the report that are compared.

    Raises:
        VersionsDifferError: they differ; names the part, each package and both versions.
    """
    differing = [
        f"{name} {theirs.get(name, NONE)} (report: {version})"
        for name, version in own.items()
        if theirs.get(name, NONE) != version
    ]
    if differing:
        raise VersionsDifferError(
            f"Dask: the {what} has {', '.join(differing)}; run scheduler and workers from the "
            "report's image"
        )


def part_by(task: Task, own: Mapping[str, str]) -> Part:
    """Read a partition unless this worker differs from the report: it may have joined late.

    Args:
        task: The partition.
        own: Versions of the report.

    Raises:
        VersionsDifferError: this worker has other versions.
        StoreUnavailableError: MongoDB does not answer.
    """
    check(f"worker on {socket.gethostname()}", versions(), own)
    return part_of(task)
