"""Running other programs: always with a time-out, errors with the end of their output."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from taxi_cluster.cache import cache_folder
from taxi_cluster.errors import ClusterError


def run(
    command: Sequence[str | Path],
    *,
    timeout: float = 120,
    stdin: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run to the end and return the standard output.

    Raises:
        ClusterError: not installed, failed, or not done after `timeout` seconds.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, input=stdin, capture_output=True, text=True, errors="replace",
            timeout=timeout, check=False, cwd=cwd, env={**os.environ, **(env or {})},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise ClusterError(f"{words[0]} is not installed; install it or put it on PATH") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{shown(words)}: no end after {timeout:g} s") from error
    if done.returncode != 0:
        raise ClusterError(
            f"{shown(words)}: exit code {done.returncode}\n{_tail(done.stdout + done.stderr)}"
        )
    return done.stdout


def works(command: Sequence[str | Path], *, timeout: float = 20) -> bool:
    """Tell whether a command ends well; not installed counts as no."""
    try:
        run(command, timeout=timeout)
    except ClusterError:
        return False
    return True


def log_path(name: str) -> Path:
    """Return where a long command writes its output."""
    folder = cache_folder() / "logs"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.log"


def run_logged(
    command: Sequence[str | Path],
    name: str,
    *,
    timeout: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a long command with its output in a log file.

    Raises:
        ClusterError: with the end of the log and its path.
    """
    words = [str(word) for word in command]
    path = log_path(name)
    try:
        with path.open("w") as log:
            code = subprocess.run(
                words, stdout=log, stderr=subprocess.STDOUT, timeout=timeout, check=False, cwd=cwd,
                env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
            ).returncode  # fmt: skip
    except FileNotFoundError as error:
        raise ClusterError(f"{words[0]} is not installed; install it or put it on PATH") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{shown(words)}: no end after {timeout:g} s; see {path}") from error
    if code != 0:
        end = _tail(path.read_text(errors="replace"))
        raise ClusterError(f"{shown(words)}: exit code {code}; see {path}\n{end}")


def last_line(path: Path) -> str:
    """Return the last line of a growing log, for progress."""
    try:
        lines = path.read_bytes()[-2000:].decode(errors="replace").splitlines()
    except OSError:
        return ""
    return lines[-1][:100] if lines else ""


def shown(words: Sequence[str]) -> str:
    """Return the beginning of a command line for a message."""
    return " ".join(words[:7]) + (" ..." if len(words) > 7 else "")


def _tail(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-15:])
