"""Kubernetes and its companions, built from one Go module (see gomod/go.mod).

Built in one module they share the compiled client libraries, which saves most of the
time; go.sum makes the sources verifiable.
"""

import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from taxi_cluster import go_compiler
from taxi_cluster.cache import cache_folder, exclusive, key_of, repository
from taxi_cluster.commands import last_line, log_path, run, run_logged
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


def _helm_flags(package: str) -> str:
    """Flags that tell helm which Kubernetes it renders for when it has no cluster."""
    major, minor = KUBERNETES_VERSION.removeprefix("v").split(".")[:2]
    return (
        f"-X helm.sh/helm/{package}.k8sVersionMajor={major} "
        f"-X helm.sh/helm/{package}.k8sVersionMinor={minor}"
    )


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
    Program("helm", "helm.sh/helm/v4/cmd/helm", _helm_flags("v4/pkg/chart/common")),
    Program("helm3", "helm.sh/helm/v3/cmd/helm", _helm_flags("v3/pkg/chartutil")),
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
    Program("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform"),
)  # fmt: skip

#: What a user of the cluster needs on PATH.
CLIENTS = ("kubectl", "kind", "helm", "helm3", "promtool", "prometheus", "kubeconform")


def module_folder() -> Path:
    """Return the folder of the Go module."""
    return repository() / "tools" / "cluster" / "gomod"


def tools_key() -> str:
    """Return the key of everything that the programs are made of."""
    module = module_folder()
    files = [module / "go.mod", module / "go.sum", module / "coredns" / "main.go"]
    return key_of(*(path.read_bytes() for path in files), repr(PROGRAMS), go_compiler.version())


def folder() -> Path:
    """Return the folder of the built programs."""
    return cache_folder() / f"go-tools-{tools_key()}"


def built(name: str) -> bool:
    """Tell whether a program is in the cache."""
    return (folder() / name).exists()


def ensure(names: Collection[str] = ()) -> Path:
    """Build what is not built yet and return the folder of the programs.

    Args:
        names: Which programs; all of them when empty.

    Raises:
        ClusterError: the compiler or the sources cannot be had, or a build failed.
    """
    target = folder()
    wanted = [program for program in PROGRAMS if not names or program.name in names]
    if all((target / program.name).exists() for program in wanted):
        return target
    with exclusive("go-tools"):
        target.mkdir(exist_ok=True)
        missing = [program for program in wanted if not (target / program.name).exists()]
        counter = _Packages(_count_packages(missing))
        for number, program in enumerate(missing, 1):
            _build(program, target, f"{number} of {len(missing)}", counter)
    return target


def client_folder(names: Collection[str] = ()) -> Path:
    """Return a folder with clients only, fit to stand first in PATH.

    What was built is linked there; what the machine has is left to its PATH; what is missing is
    built.

    Raises:
        ClusterError: an unknown name, or something is missing and cannot be built.
    """
    wanted = tuple(names) or CLIENTS
    if unknown := sorted(set(wanted) - set(CLIENTS)):
        raise ClusterError(f"{', '.join(unknown)}: unknown; choose among {', '.join(CLIENTS)}")
    if missing := [name for name in wanted if not shutil.which(name) and not built(name)]:
        ensure(missing)
    clients = folder() / "clients"
    clients.mkdir(parents=True, exist_ok=True)
    for name in CLIENTS:
        if built(name):
            _link(Path("..") / name, clients / name)
    return clients


def _link(target: Path, link: Path) -> None:
    if not link.is_symlink():
        temporary = link.with_name(f".{link.name}.{os.getpid()}")
        temporary.symlink_to(target)
        temporary.rename(link)


def module_source(module: str) -> Path:
    """Return the unpacked source of a module of the build (for its manifests and files)."""
    go = go_compiler.program()

    def unpacked() -> str:
        return run(
            [go, "list", "-m", "-f", "{{.Dir}}", module], cwd=module_folder(), timeout=300,
            env=build_environment(),
        ).strip()  # fmt: skip

    if not unpacked():
        run(
            [go, "mod", "download", module],
            cwd=module_folder(),
            timeout=600,
            env=build_environment(),
        )
    return Path(unpacked())


@dataclass
class _Packages:
    """Compiled packages over all builds, for progress.

    Attributes:
        expected: How many there are; an upper bound, the compiler's cache may hold some.
        before: Compiled by the builds that are done.
    """

    expected: int
    before: int = 0

    def so_far(self, log: Path) -> int:
        try:
            return self.before + len(log.read_text().splitlines())
        except OSError:
            return self.before


def _count_packages(programs: list[Program]) -> int:
    """Fetch the sources and return how many packages the programs are made of."""
    log = log_path("go-sources")
    counted: set[str] = set()
    go = go_compiler.program()
    with step("fetching the sources of the programs", lambda: last_line(log)):
        # One by one: some of the modules do not go together in one list.
        for program in programs:
            command: list[str | Path] = [
                go, "list", "-deps", "-mod=readonly", *program.flags, program.package
            ]  # fmt: skip
            environment = build_environment()
            run_logged(command, "go-sources", timeout=1800, cwd=module_folder(), env=environment)
            # Downloads are told in the same log, as "go: downloading ...".
            packages = (line for line in log.read_text().splitlines() if " " not in line)
            counted |= {f"{program.flags} {package}" for package in packages}
    return len(counted)


def _build(program: Program, target: Path, which: str, counter: _Packages) -> None:
    temporary = target / f".{program.name}.new"
    name = f"go-{program.name}"
    log = log_path(name)
    log.unlink(missing_ok=True)
    command: list[str | Path] = [
        go_compiler.program(), "build", "-v", "-p", "2", "-trimpath", "-mod=readonly",
        *program.flags,
        "-ldflags", f"-s -w {program.linker}".strip(), "-o", str(temporary), program.package,
    ]  # fmt: skip

    def compiled() -> str:
        return f"(package {counter.so_far(log)} of at most {counter.expected})"

    with step(f"building {program.name} ({which})", compiled):
        run_logged(command, name, timeout=3600, cwd=module_folder(), env=build_environment())
    counter.before = counter.so_far(log)
    temporary.rename(target / program.name)


def build_environment() -> dict[str, str]:
    """Return what every build is told by its environment."""
    # GOWORK: a go.work of the user's in a folder above would change what is built.
    return {
        "CGO_ENABLED": "0",
        "GOWORK": "off",
        "GOFLAGS": os.environ.get("GOFLAGS", "") or "-buildvcs=false",
    }
