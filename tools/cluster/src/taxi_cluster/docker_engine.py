"""A Docker engine: the one that is there, or one that we install and start."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from taxi_cluster import bounded_runtime, debian
from taxi_cluster.cache import cache_folder
from taxi_cluster.capabilities import missing_here
from taxi_cluster.commands import last_line, log_path, run
from taxi_cluster.errors import ClusterError
from taxi_cluster.progress import say, step

_START_SECONDS = 60


def answers() -> bool:
    """Tell whether an engine answers."""
    return silence() is None


def silence() -> str | None:
    """Return why no engine answers, None when one does."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    try:
        # `docker info` ends well even when its server does not answer in some versions.
        run(["docker", "version", "--format", "{{.Server.Version}}"], timeout=20)
    except ClusterError as error:
        return str(error).splitlines()[-1]
    return None


def ensure(*, may_start: bool) -> None:
    """Make sure that an engine answers.

    Args:
        may_start: False when the user forbids to start one (TAXI_START_DOCKER=0).

    Raises:
        ClusterError: none answers and none can be started.
    """
    why = silence()
    if why is None:
        return
    if not may_start:
        raise ClusterError(
            f"no Docker engine answers ({why}), and TAXI_START_DOCKER=0 forbids to start one; "
            "start Docker"
        )
    if os.geteuid() != 0:
        remedy = (
            "add yourself to the group docker"
            if "permission denied" in why
            else "start Docker, or run as root on Debian to have one started"
        )
        raise ClusterError(f"no Docker engine answers ({why}); {remedy}")
    debian.need("dockerd", "docker.io", "iptables")
    debian.need("docker", "docker.io")
    _start()


def stop() -> None:
    """Stop the engine that we started, if it still runs."""
    pid = _our_pid()
    if pid is None:
        return
    with step("stopping the Docker engine that was started here"):
        os.kill(pid, signal.SIGTERM)
        for _ in range(1200):
            if _our_pid() is None:
                return
            time.sleep(0.1)
        raise ClusterError(f"dockerd (pid {pid}) does not end; stop it by hand")


def is_ours() -> bool:
    """Tell whether the engine that we started runs."""
    return _our_pid() is not None


def data_folder() -> Path:
    """Return where our engine keeps its images."""
    return cache_folder() / "docker"


def _pid_file() -> Path:
    return cache_folder() / "dockerd.pid"


def _our_pid() -> int | None:
    """Return the pid of our engine, None when it does not run (the pid may be reused)."""
    try:
        pid = int(_pid_file().read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return None
    return pid if name == "dockerd" else None


def _start() -> None:
    log = log_path("dockerd")
    say(
        f"no Docker engine answers: starting one (data in {data_folder()}, log in {log}; "
        "TAXI_START_DOCKER=0 forbids this)"
    )
    command = ["dockerd", "--data-root", str(data_folder()), "--pidfile", str(_pid_file())]
    if missing := missing_here():
        command += ["--add-runtime", f"bounded={_runtime(missing)}", "--default-runtime", "bounded"]
    pid = _our_pid()
    if pid is not None:
        raise ClusterError(f"our dockerd (pid {pid}) runs and does not answer; see {log}")
    _pid_file().unlink(missing_ok=True)
    with log.open("a") as output, step("starting the Docker engine"):
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise ClusterError(f"dockerd did not start; see {log}: {last_line(log)}")
            time.sleep(0.5)


def _runtime(missing: list[str]) -> Path:
    """Write the runtime that leaves out what the machine lacks, and return its path."""
    folder = cache_folder() / "runtime"
    folder.mkdir(exist_ok=True)
    script = folder / "bounded_runtime.py"
    shutil.copyfile(Path(bounded_runtime.__file__), script)
    wrapper = folder / "bounded"
    python = json.dumps(os.path.realpath(sys.executable))
    wrapper.write_text(f'#!/bin/sh\nexec {python} -IS {script} {",".join(missing)} "$@"\n')
    wrapper.chmod(0o755)
    say(f"this machine lacks {', '.join(missing)}: containers run without")
    return wrapper
