"""`taxi-predict score` in processes of its own, which tests may kill or leave without room."""

import multiprocessing
import os
import resource
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
# What is imported takes seconds: once, for all processes. pyarrow imports pandas at its first use.
_CONTEXT.set_forkserver_preload(["__main__", "taxi_predict.batch.main", "pandas"])


def started(
    arguments: list[str],
    errors: Path,
    variables: Mapping[str, str] | None = None,
    max_file_bytes: int | None = None,
) -> ForkServerProcess:
    """Start the command.

    Args:
        arguments: Of `taxi-predict score`.
        errors: Takes both of its outputs.
        variables: More of its environment.
        max_file_bytes: A file that grows further is met with an error, as on a full disk.
    """
    process = _CONTEXT.Process(
        target=_run, args=(arguments, errors, dict(variables or {}), max_file_bytes)
    )
    process.start()
    return process


def ran(
    arguments: list[str],
    errors: Path,
    variables: Mapping[str, str] | None = None,
    max_file_bytes: int | None = None,
) -> int:
    """Run the command to its end; return the exit code, negative for a signal."""
    process = started(arguments, errors, variables, max_file_bytes)
    process.join(120)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode


def _run(
    arguments: list[str], errors: Path, variables: dict[str, str], max_file_bytes: int | None
) -> None:
    from taxi_predict.batch.main import app

    with errors.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(variables)
    if max_file_bytes is not None:
        sys.dont_write_bytecode = True  # It would be cut off, and others would read it.
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))
    sys.argv = ["taxi-predict", "score", *arguments]
    app()
