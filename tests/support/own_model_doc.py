"""Commands and code of `docs/your-own-model.md`, run as they stand there."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from typer.testing import CliRunner

from taxi_train.main import app as train
from taxi_train.registry_cli import app as models

PAGE = Path(__file__).parents[2] / "docs" / "your-own-model.md"
#: Programs of the images, and what they run.
_PROGRAMS = {
    "taxi-train": "taxi_train.main", "taxi-models": "taxi_train.registry_cli",
    "taxi-predict": "taxi_predict.batch.main", "taxi-report": "taxi_report.main",
    "taxi-labels": "taxi_report.labels.main",
}  # fmt: skip


def blocks(section: int, language: str = "", page: Path = PAGE) -> list[str]:
    """Return the code blocks of a section in one language."""
    text = page.read_text().partition(f"\n## {section}. ")[2].partition("\n## ")[0]
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    found = [code for name, code in fenced if name == language]
    assert found, f"section {section} has no block of {language or 'commands'}"
    return found


def run(commands: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run commands in a folder as a person would; the programs of the images are there.

    Args:
        commands: For bash; the first failure ends them.
        folder: Where they run.
        variables: More of the environment.
    """
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    for name, module in _PROGRAMS.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        program.chmod(0o755)
    (programs / "python").unlink(missing_ok=True)
    (programs / "python").symlink_to(sys.executable)
    environment: Mapping[str, str] = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": ":".join([str(folder), *sys.path]), "OMP_NUM_THREADS": "1", **variables,
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def call(command: str, folder: Path, **variables: str) -> str:
    """Run one command in a folder, in this process, and return what it prints.

    Args:
        command: Of `taxi-train` or `taxi-models`.
        folder: Where it runs.
        variables: More of the environment.
    """
    program, *words = shlex.split(command)
    tool = {"taxi-train": train, "taxi-models": models}[program]
    with contextlib.chdir(folder):
        done = CliRunner().invoke(tool, words, env=variables)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def promote_archive(archive: str, alias: str, folder: Path, **variables: str) -> str:
    """Import an archive, let an alias point at it, and return the version."""
    version = call(f"taxi-models import {archive}", folder, **variables).partition(":")[0]
    call(f"taxi-models promote {version} --alias {alias} --force", folder, **variables)
    return version


def answers(commands: str) -> list[str]:
    """Return what the commands print, as the comments after them say."""
    return re.findall(r"^# (.*)$", commands, re.MULTILINE)
