"""Connections of a command: with the operator's own settings, unless options say otherwise."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from taxi_domain.errors import FieldError
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.adapters.credentials import Credentials
from taxi_operator.adapters.prometheus import Prometheus
from taxi_operator.adapters.servers import Servers
from taxi_operator.settings import ToolSettings
from taxi_operator.spec.addresses import AllowList
from taxi_runtime.settings import read
from taxi_store.connection import async_database_of, connect_async
from taxi_store.registry.registry_async import AsyncRegistry


@dataclass(frozen=True, slots=True)
class Asked:
    """How Prometheus is asked.

    Attributes:
        url: Its address; empty: the operator's.
        credentials: Folder of token, user, CA bundle; None: the operator's.
        tenant: Tenant; empty: the operator's.
        tenant_header: Its header; empty: the operator's.
        timeout_seconds: Longest time of a query; None: the operator's.
    """

    url: str = ""
    credentials: Path | None = None
    tenant: str = ""
    tenant_header: str = ""
    timeout_seconds: float | None = None


def settings_of(namespace: str = "") -> ToolSettings:
    """Return the settings of the environment, with another namespace if one is given.

    Raises:
        FieldError: a setting cannot be used.
    """
    return read(ToolSettings, {"TAXI_OPERATOR_NAMESPACE": namespace} if namespace else None)


def servers_of(settings: ToolSettings, asked: Asked) -> Servers:
    """Return the Prometheus servers that may be asked.

    Raises:
        FieldError: an address cannot be used.
    """
    credentials = Credentials(
        asked.credentials or settings.prometheus_secret,
        asked.tenant_header or settings.prometheus_tenant_header,
        asked.tenant or settings.prometheus_tenant,
    )
    allowed = AllowList(asked.url or settings.prometheus_url, settings.prometheus_allowed.split())
    timeout = asked.timeout_seconds or settings.prometheus_timeout_seconds
    return Servers(allowed, credentials, timeout)


@asynccontextmanager
async def prometheus_of(asked: Asked) -> AsyncIterator[Prometheus]:
    """Connect with one Prometheus.

    Raises:
        FieldError: there is no address.
    """
    settings = settings_of()
    if not (asked.url or settings.prometheus_url):
        raise FieldError("--prometheus", "is missing", "give an address as http://host:9090")
    servers = servers_of(settings, asked)
    try:
        yield servers.of("")
    finally:
        await servers.close()


@asynccontextmanager
async def cluster_of(settings: ToolSettings) -> AsyncIterator[Cluster]:
    """Connect with the API server: as the pod's ServiceAccount, else by the kubeconfig.

    Raises:
        FieldError: no namespace is given.
    """
    if not settings.namespace:
        raise FieldError("--namespace", "is missing", "give it, or set TAXI_OPERATOR_NAMESPACE")
    cluster = await Cluster.connect(settings.namespace, settings.api_timeout_seconds)
    try:
        yield cluster
    finally:
        await cluster.close()


@asynccontextmanager
async def registry_of(settings: ToolSettings) -> AsyncIterator[AsyncRegistry | None]:
    """Connect with the registry; None when no address of it is known."""
    async with AsyncExitStack() as stack:
        if not settings.mongodb_uri:
            yield None
            return
        client = connect_async(settings.mongodb_uri, app_name="taxi-policy")
        stack.push_async_callback(client.close)
        yield AsyncRegistry(async_database_of(client))
