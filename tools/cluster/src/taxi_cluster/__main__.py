"""Command line of the cluster builder.

Exit codes: 0 done, 1 a step failed (its last line names the remedy), 2 usage.
"""

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from taxi_cluster import (
    debian,
    docker_engine,
    go_tools,
    images,
    kind_cluster,
    mongod,
    monitoring_stack,
    preflight,
    project_images,
    routes,
    status,
)
from taxi_cluster.cache import cache_folder, exclusive
from taxi_cluster.errors import ClusterError
from taxi_cluster.progress import say, step
from taxi_cluster.settings import Settings, Source, Target, find_source, read_settings


def main() -> int:
    """Run one verb."""
    arguments = _parser().parse_args()
    try:
        verb: Callable[[argparse.Namespace], None] = arguments.verb
        verb(arguments)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where this one ended", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="taxi_cluster", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="verb")

    def add(
        name: str, verb: Callable[[argparse.Namespace], None], text: str
    ) -> argparse.ArgumentParser:
        one = verbs.add_parser(name, help=text, description=text)
        one.set_defaults(verb=verb)
        return one

    add("up", _up, "bring up the cluster with Prometheus in it")
    tools = add("tools", _tools, "make sure that kubectl, kind and helm exist")
    tools.add_argument("names", nargs="*", metavar="program", help=", ".join(go_tools.CLIENTS))
    tools.add_argument("--print-path", action="store_true", help="print only their folder")
    images = add("images", _images, "build the project's images whose content changed")
    images.add_argument("--values", type=Path, help="write chart values with the tags to this file")
    add("load", _load, "bring the images into the cluster")
    add("mongod", _mongod, "print the path of a mongod that runs on this machine")
    down = add("down", _down, "remove the cluster and stop the engine that we started")
    down.add_argument("--purge", action="store_true", help="remove the caches too")
    add("status", _status, "say what is there")
    return parser


def _prepare(settings: Settings) -> Source:
    docker_engine.ensure(may_start=settings.may_start_docker)
    return find_source(settings)


def _up(_: argparse.Namespace) -> None:
    settings = read_settings()
    if settings.target is not Target.KIND:
        say(f"CLUSTER={settings.target}: the current context is used as it is")
        return
    with exclusive("cluster"):
        if not go_tools.built("kubelet") and settings.registry != "reachable":
            preflight.check(
                preflight.free_room(cache_folder()), preflight.FIRST_BUILD, cache_folder()
            )
        source = _prepare(settings)
        say(f"images come from {'a registry' if source is Source.REGISTRY else 'this machine'}")
        tools = kind_cluster.clients(source)
        kind_cluster.ensure(tools, source)
        if source is Source.LOCAL:
            routes.wait(tools)
        monitoring_stack.ensure(tools, source)
        kind_cluster.wait_for_system(tools)
    say(f"cluster is up: kubectl --context {kind_cluster.CONTEXT} get nodes")


def _tools(arguments: argparse.Namespace) -> None:
    folder = go_tools.client_folder(arguments.names)
    if arguments.print_path:
        print(folder)
        return
    for name in arguments.names or go_tools.CLIENTS:
        say(f"{name}: {folder / name if go_tools.built(name) else shutil.which(name)}")


def _images(arguments: argparse.Namespace) -> None:
    settings = read_settings()
    with exclusive("cluster"):
        values = project_images.ensure(settings, _prepare(settings))
    if arguments.values:
        project_images.write_values(arguments.values, values)
        say(f"image tags: {arguments.values}")


def _load(_: argparse.Namespace) -> None:
    settings = read_settings()
    with exclusive("cluster"):
        _prepare(settings)
        project_images.deliver(settings, project_images.read_values())


def _mongod(_: argparse.Namespace) -> None:
    print(mongod.binary())


def _down(arguments: argparse.Namespace) -> None:
    settings = read_settings(delivers=False)
    with exclusive("cluster"):
        # A purge takes the nodes of an engine that died with it.
        if settings.target is Target.KIND and (docker_engine.answers() or not arguments.purge):
            _remove_cluster(settings)
        if arguments.purge and docker_engine.answers() and not docker_engine.is_ours():
            images.remove_ours()
        docker_engine.stop()
        if arguments.purge:
            with step(f"removing {cache_folder()}"):
                debian.unmount_below(cache_folder())
                shutil.rmtree(cache_folder())


def _remove_cluster(settings: Settings) -> None:
    if not docker_engine.answers():
        if not docker_engine.data_folder().exists():
            say("no Docker engine answers: there is no cluster")
            return
        # The nodes of an engine that died are on disk, and would come back with it.
        docker_engine.ensure(may_start=settings.may_start_docker)
    if kind_cluster.node_names():
        with step("removing the cluster"):
            kind_cluster.remove()
    else:
        say("there is no cluster")


def _status(_: argparse.Namespace) -> None:
    for line in status.lines():
        say(line)


if __name__ == "__main__":
    sys.exit(main())
