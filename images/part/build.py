"""Steps of images/part/Dockerfile, run inside of the build.

`[tool.taxi.image]` of a part's pyproject.toml has `module` (what the image runs), `imports` (what
must be importable after pruning), `data` (folders that go to /opt/taxi/share, without code),
`beside` (folders of other distributions whose commands are in the image), `prune` (glob patterns
below site-packages that the part never reads), `debian` (packages of Debian beside those that all
parts have) and `max_megabytes` (what the image may take).
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

PIP = ("pip", "--python", "/opt/venv/bin/python")
PYTHON = "/opt/venv/bin/python"
SITE_PACKAGES = Path("/opt/venv/lib/python3.11/site-packages")
OWN = Path("/opt/taxi")
#: Only compilers and type checkers read these.
SOURCES_OF_EXTENSIONS = (".pyi", ".pyx", ".pxd", ".a", ".h", ".hpp")
#: The package whose folders `tests` are part of its program.
WITH_TESTS = "evidently"
#: A module that only Python 3.12 can read.
UNREADABLE = r"/whenever/_typing_312\.py$"


def packages(project: dict[str, Any]) -> None:
    """Prune the installed packages, compile them, and import what the part needs."""
    # The pins are complete; pip itself does not take that of pandas for pandas[parquet].
    run(*PIP, "check")
    image = project["tool"]["taxi"]["image"]
    for pattern in image.get("prune", []):
        matches = list(SITE_PACKAGES.glob(pattern))
        if not matches:
            sys.exit(f"prune: nothing matches {pattern!r}; remove it from pyproject.toml")
        for path in matches:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for folder, names, files in os.walk(SITE_PACKAGES):
        needed = Path(folder).relative_to(SITE_PACKAGES).parts[:1] == (WITH_TESTS,)
        unused = {"__pycache__"} if needed else {"__pycache__", "tests"}
        for name in unused.intersection(names):
            shutil.rmtree(Path(folder, name))
            names.remove(name)
        for name in files:
            if name.endswith(SOURCES_OF_EXTENSIONS):
                Path(folder, name).unlink()
    compile_all(SITE_PACKAGES, "-j", "0", "-x", UNREADABLE)
    home = {"HOME": "/tmp", "PREFECT_HOME": "/tmp/prefect", "DO_NOT_TRACK": "1"}
    run(PYTHON, "-c", f"import {', '.join(image['imports'])}", **home)


def own(project: dict[str, Any], source: str) -> None:
    """Install the part and the libraries that it depends on, and write the entry point."""
    known: set[str] = set()
    sources = [source, *project["tool"]["taxi"]["image"].get("beside", [])]
    for folder in sources:
        part = tomllib.loads(Path(folder, "pyproject.toml").read_text())
        libraries_of(part["project"]["dependencies"], known)
    folders = [f"./libs/{name}" for name in sorted(known)] + [f"./{folder}" for folder in sources]
    run("pip", "--python", "/opt/build/bin/python", "wheel", "-q", "--no-deps",
        "--no-build-isolation", "--no-index", "-w", "/wheels", *folders)  # fmt: skip
    wheels = map(str, Path("/wheels").glob("*.whl"))
    run(*PIP, "install", "-q", "--no-deps", "--no-index", "--target", str(OWN), *wheels)
    compile_all(OWN)
    for folder in project["tool"]["taxi"]["image"].get("data", []):
        code = shutil.ignore_patterns("src", "*.py", "__pycache__")
        shutil.copytree(folder, OWN / "share" / folder, ignore=code)
    entry = OWN / "bin" / "entrypoint"
    entry.parent.mkdir(exist_ok=True)
    module = project["tool"]["taxi"]["image"]["module"]
    # No shell: a Python that looks at nothing becomes the one that runs the module.
    entry.write_text(
        f"#!{PYTHON} -IS\nimport os, sys\n"
        f"os.execv({PYTHON!r}, [{PYTHON!r}, '-m', {module!r}, *sys.argv[1:]])\n"
    )
    entry.chmod(0o755)


def libraries_of(dependencies: list[str], known: set[str]) -> set[str]:
    """Return the project's libraries among dependencies, and those that these need."""
    for dependency in dependencies:
        match = re.match(r"taxi-(\w+)", dependency)
        if match and match[1] not in known:
            known.add(match[1])
            needed = tomllib.loads(Path("libs", match[1], "pyproject.toml").read_text())
            libraries_of(needed["project"]["dependencies"], known)
    return known


def compile_all(folder: Path, *options: str) -> None:
    """Compile to bytecode that is not checked against the sources: the image never changes."""
    run(PYTHON, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", *options,
        str(folder))  # fmt: skip


def run(*command: str, **environment: str) -> None:
    """Run a command; the build ends when it fails."""
    subprocess.run(command, check=True, env={**os.environ, **environment})


if __name__ == "__main__":
    step, folder = sys.argv[1:]
    settings = tomllib.loads(Path(folder, "pyproject.toml").read_text())
    if step == "packages":
        packages(settings)
    elif step == "own":
        own(settings, folder)
    else:
        print(" ".join(settings["tool"]["taxi"]["image"].get("debian", [])))
