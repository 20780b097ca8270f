"""Alertmanager, which tests run as a process; no part of the cluster.

A Go module of its own: in that of the cluster's programs each of its changes would build all of
them anew.
"""

from pathlib import Path

from taxi_cluster import go_compiler
from taxi_cluster.cache import cache_folder, exclusive, key_of
from taxi_cluster.commands import last_line, log_path, run_logged
from taxi_cluster.go_tools import build_environment, module_folder
from taxi_cluster.progress import step

_PACKAGE = "github.com/prometheus/alertmanager/cmd/alertmanager"


def ensure() -> Path:
    """Build it when it is not built yet, and return the program.

    Raises:
        ClusterError: the compiler or the sources cannot be had, or the build failed.
    """
    module = module_folder() / "alertmanager"
    files = [module / "go.mod", module / "go.sum"]
    key = key_of(*(path.read_bytes() for path in files), go_compiler.version())
    program = cache_folder() / f"alertmanager-{key}"
    with exclusive("alertmanager"):
        if not program.exists():
            _build(module, program)
    return program


def _build(module: Path, program: Path) -> None:
    temporary = program.with_name(f".{program.name}.new")
    log = log_path("go-alertmanager")
    command: list[str | Path] = [
        go_compiler.program(), "build", "-p", "2", "-trimpath", "-mod=readonly",
        "-ldflags", "-s -w", "-o", str(temporary), _PACKAGE,
    ]  # fmt: skip
    with step("building alertmanager (a minute or two)", lambda: last_line(log)):
        run_logged(command, "go-alertmanager", timeout=1800, cwd=module, env=build_environment())
    temporary.rename(program)
