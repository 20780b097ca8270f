"""What there is at the moment, in a few lines and without changing anything."""

from taxi_cluster import docker_engine, go_tools, kind_cluster
from taxi_cluster.cache import cache_folder
from taxi_cluster.commands import run
from taxi_cluster.kind_cluster import Clients


def lines() -> list[str]:
    """Return one line for each part."""
    built = sum(go_tools.built(program.name) for program in go_tools.PROGRAMS)
    found = [f"cache: {cache_folder()}, {built} of {len(go_tools.PROGRAMS)} programs built"]
    if why := docker_engine.silence():
        return [*found, f"engine: none answers ({why}); `make up` starts what is needed"]
    owner = "started by `make up`" if docker_engine.is_ours() else "the machine's own"
    found.append(f"engine: {owner}; {_space()}")
    names = kind_cluster.node_names()
    if not names:
        return [*found, "cluster: none"]
    folder = go_tools.folder()
    kubectl = str(folder / "kubectl") if go_tools.built("kubectl") else "kubectl"
    ready = kind_cluster.ready_names(Clients("kind", kubectl, "helm"))
    states = (f"{name} {'Ready' if name in ready else 'not Ready'}" for name in names)
    return [*found, f"cluster: {', '.join(states)}; context {kind_cluster.CONTEXT}"]


def _space() -> str:
    used = run(["docker", "system", "df", "--format", "{{.Type}} {{.Size}}"])
    return ", ".join(used.strip().splitlines()).lower()
