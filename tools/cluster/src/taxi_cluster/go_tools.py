"""Kubernetes and its companions, built from one Go module (see gomod/go.mod).

Built in one module they share the compiled client libraries, which saves most of the
time; go.sum makes the sources verifiable.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from taxi_cluster.cache import cache_folder, exclusive, key_of, repository
from taxi_cluster.commands import log_path, run, run_logged
from taxi_cluster.errors import ClusterError
from taxi_cluster.progress import step

KUBERNETES_VERSION = "v1.34.4"
_VERSION_FLAGS = " ".join(
    f"-X k8s.io/component-base/version.{name}={value}"
    for name, value in (("gitVersion", KUBERNETES_VERSION), ("gitMajor", "1"), ("gitMinor", "34"))
)
_PROMETHEUS_TAGS = ("-tags", "remove_all_sd,enable_kubernetes_sd")


@dataclass(frozen=True)
class Program:
    """One program: its name in the cache, its package, what the build needs beside."""

    name: str
    package: str
    linker: str = ""
    flags: tuple[str, ...] = ()


def _kubernetes(name: str) -> Program:
    return Program(name, f"k8s.io/kubernetes/cmd/{name}", _VERSION_FLAGS)


#: kubelet first: it compiles most of what the others share.
PROGRAMS = (
    *map(
        _kubernetes,
        ("kubelet", "kubeadm", "kube-apiserver", "kube-controller-manager", "kube-scheduler",
         "kube-proxy", "kubectl"),
    ),
    Program("kind", "sigs.k8s.io/kind"),
    Program("helm", "helm.sh/helm/v4/cmd/helm"),
    Program("helm3", "helm.sh/helm/v3/cmd/helm"),
    Program("etcd", "go.etcd.io/etcd/server/v3"),
    Program("coredns", "./coredns"),
    Program("local-path-provisioner", "github.com/rancher/local-path-provisioner"),
    Program(
        "prometheus-operator", "github.com/prometheus-operator/prometheus-operator/cmd/operator"
    ),
    Program(
        "prometheus-config-reloader",
        "github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader",
    ),
    Program(
        "prometheus", "github.com/prometheus/prometheus/cmd/prometheus", flags=_PROMETHEUS_TAGS
    ),
    Program("promtool", "github.com/prometheus/prometheus/cmd/promtool", flags=_PROMETHEUS_TAGS),
)  # fmt: skip

#: What a user of the cluster needs on PATH.
CLIENTS = ("kubectl", "kind", "helm", "helm3", "promtool", "prometheus")


def module_folder() -> Path:
    """Return the folder of the Go module."""
    return repository() / "tools" / "cluster" / "gomod"


def tools_key() -> str:
    """Return the key of everything that the programs are made of."""
    module = module_folder()
    files = [module / "go.mod", module / "go.sum", module / "coredns" / "main.go"]
    return key_of(*(path.read_bytes() for path in files), repr(PROGRAMS), _go_version())


def folder() -> Path:
    """Return the folder of the built programs."""
    return cache_folder() / f"go-tools-{tools_key()}"


def ensure() -> Path:
    """Build what is not built yet and return the folder of the programs.

    Raises:
        ClusterError: Go is missing, or a build failed.
    """
    target = folder()
    with exclusive("go-tools"):
        target.mkdir(exist_ok=True)
        missing = [program for program in PROGRAMS if not (target / program.name).exists()]
        for number, program in enumerate(missing, 1):
            _build(program, target, f"{number} of {len(missing)}")
    return target


def client_folder() -> Path:
    """Return a folder with the clients only, fit to stand first in PATH."""
    clients = ensure() / "clients"
    clients.mkdir(exist_ok=True)
    for name in CLIENTS:
        link = clients / name
        if not link.is_symlink():
            link.symlink_to(Path("..") / name)
    return clients


def module_source(module: str) -> Path:
    """Return the unpacked source of a module of the build (for its manifests and files)."""
    listed = run(
        ["go", "list", "-m", "-f", "{{.Dir}}", module], cwd=module_folder(), timeout=300,
        env=_environment(),
    )  # fmt: skip
    path = Path(listed.strip())
    if not listed.strip() or not path.exists():
        run(["go", "mod", "download", module], cwd=module_folder(), timeout=600, env=_environment())
    return path


def _build(program: Program, target: Path, which: str) -> None:
    temporary = target / f".{program.name}.new"
    name = f"go-{program.name}"
    log = log_path(name)
    command = [
        "go", "build", "-v", "-p", "2", "-trimpath", "-mod=readonly", *program.flags,
        "-ldflags", f"-s -w {program.linker}".strip(), "-o", str(temporary), program.package,
    ]  # fmt: skip

    def compiled() -> str:
        try:
            return f"({len(log.read_text().splitlines())} packages)"
        except OSError:
            return ""

    with step(f"building {program.name} ({which})", compiled):
        run_logged(
            command, name, timeout=3600, cwd=module_folder(), env=_environment(),
        )  # fmt: skip
    temporary.rename(target / program.name)


def _environment() -> dict[str, str]:
    return {"CGO_ENABLED": "0", "GOFLAGS": os.environ.get("GOFLAGS", "") or "-buildvcs=false"}


def _go_version() -> str:
    if shutil.which("go") is None:
        raise ClusterError(
            "go is not installed; install Go 1.25 or newer: without a container registry the "
            "cluster's programs are built from source"
        )
    return run(["go", "env", "GOVERSION"]).strip()
