"""An OCI runtime in front of runc that leaves out the capabilities which the machine lacks.

The engine starts it in place of runc. It edits the bundle's config.json and, for
`docker exec`, the process file, and then becomes runc. Standard library only, one file:
it is copied into the cache and runs on its own.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any


def without(capabilities: dict[str, list[str]] | None, missing: set[str]) -> dict[str, list[str]]:
    """Return the capability sets without the missing names."""
    return {
        kind: [name for name in names if name not in missing]
        for kind, names in (capabilities or {}).items()
    }


def bound_bundle(config: dict[str, Any], missing: set[str]) -> dict[str, Any]:
    """Return a bundle's config whose process asks only for what there is."""
    process = config.get("process") or {}
    if process.get("capabilities"):
        process["capabilities"] = without(process["capabilities"], missing)
    return config


def bound_process(process: dict[str, Any], missing: set[str]) -> dict[str, Any]:
    """Return a process file (of `docker exec`) that asks only for what there is."""
    if process.get("capabilities"):
        process["capabilities"] = without(process["capabilities"], missing)
    return process


def option(arguments: list[str], *names: str) -> str | None:
    """Return the value of a runtime option, written as two words or with an equals sign."""
    for position, word in enumerate(arguments):
        for name in names:
            if word == name and position + 1 < len(arguments):
                return arguments[position + 1]
            if word.startswith(f"{name}="):
                return word.split("=", 1)[1]
    return None


def main() -> None:
    """Edit the files and become runc. First argument: missing names, joined by commas."""
    missing, arguments = set(sys.argv[1].split(",")), sys.argv[2:]
    bundle = option(arguments, "--bundle", "-b")
    if bundle:
        _edit(Path(bundle) / "config.json", bound_bundle, missing)
    process = option(arguments, "--process", "-p")
    if process:
        _edit(Path(process), bound_process, missing)
    os.execvp("runc", ["runc", *arguments])


def _edit(path: Path, change: Any, missing: set[str]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()), missing)))


if __name__ == "__main__":
    main()
