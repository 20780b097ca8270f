"""Environments of packages that only benchmarks use: each made once from its pins."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from taxi_cluster.cache import cache_folder, exclusive

_PINS = Path(__file__).parent / "pins"


def environment(name: str) -> Path:
    """Return the folder of an environment, made from its pins when it is missing."""
    pins = _PINS / f"{name}.txt"
    key = hashlib.sha256(pins.read_bytes()).hexdigest()[:16]
    folder = cache_folder() / f"peers-{name}-{key}"
    uv = [str(Path(sys.executable).parent / "uv"), "--no-config"]
    with exclusive("peers"):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run(
                [*uv, "venv", "-q", "--python", sys.executable, folder], check=True, timeout=120
            )
            subprocess.run(
                [*uv, "pip", "install", "-q", "--python", folder / "bin" / "python",
                 "--require-hashes", "-r", pins],
                check=True, timeout=900,
            )  # fmt: skip
            (folder / "complete").touch()
    return folder


def pinned(package: str, pins: str) -> str:
    """Return the version of a package in an environment."""
    lines = (_PINS / f"{pins}.txt").read_text().splitlines()
    (version,) = (
        line.split()[0].split("==")[1] for line in lines if line.startswith(f"{package}==")
    )
    return version
