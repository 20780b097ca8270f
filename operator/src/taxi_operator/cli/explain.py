"""`taxi-policy explain`: what the plan says now of a policy, and why; nothing is changed."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from taxi_domain.errors import TaxiError
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.cli.connections import Asked, cluster_of, registry_of, servers_of, settings_of
from taxi_operator.cli.explanation import explanation_of, lines_of
from taxi_operator.cli.files import namespace_of, policy_in
from taxi_operator.cli.options import (
    As,
    Credentials,
    Namespace,
    Output,
    Prometheus,
    Tenant,
    TenantHeader,
    errors,
    print_json,
)
from taxi_operator.cli.sight import Sight, Systems, look
from taxi_operator.settings import ToolSettings
from taxi_operator.spec.policy import policy_of

Document = dict[str, Any]
What = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A policy, or a file with one.")]


def explain(  # noqa: PLR0913, PLR0917 - one for each option
    what: What,
    namespace: Namespace = "",
    output: As = Output.TEXT,
    prometheus: Prometheus = "",
    credentials: Credentials = None,
    tenant: Tenant = "",
    tenant_header: TenantHeader = "",
) -> None:
    """Tell what a policy does now, and what holds it: signals, rules, limits, the run.

    A FILE is explained with the status of the policy of its name, where there is one.
    """
    with errors():
        file = Path(what) if what.endswith((".yaml", ".yml", ".json")) or "/" in what else None
        given = policy_in(file) if file else None
        settings = settings_of(namespace)
        if given is not None:
            settings = settings_of(namespace_of(given, settings.namespace))
        asked = Asked(prometheus, credentials, tenant, tenant_header)
        told = explanation_of(asyncio.run(_look(what, given, settings, asked)))
    if output is Output.JSON:
        print_json(told)
        return
    for line in lines_of(told):
        typer.echo(line)


async def _look(name: str, given: Document | None, settings: ToolSettings, asked: Asked) -> Sight:
    servers = servers_of(settings, asked)
    try:
        async with cluster_of(settings) as cluster, registry_of(settings) as registry:
            found = await _policy(cluster, name, given)
            policy = policy_of(found.get("spec") or {}, settings.namespace)
            return await look(Systems(cluster, servers, registry, settings.instance), found, policy)
    finally:
        await servers.close()


async def _policy(cluster: Cluster, name: str, given: Document | None) -> Document:
    if given is None:
        found = await cluster.policy(name)
        if found is None:
            raise TaxiError(f"{name}: there is no such policy; kubectl get dp lists them")
        return found
    metadata = given.get("metadata") or {}
    if not metadata.get("name"):
        raise TaxiError("metadata.name: is missing; give it")
    found = await cluster.policy(metadata["name"])
    return {**given, "metadata": metadata} if found is None else {**found, "spec": given["spec"]}
