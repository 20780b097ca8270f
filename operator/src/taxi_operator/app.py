"""Puts the operator together; kopf is only its shell: watch, lifecycle, probe."""

import asyncio
import logging
import os
import time
from typing import Any, Final

import kopf
from prometheus_client import CollectorRegistry, start_http_server

from taxi_domain.kube import GROUP, PLURAL, VERSION
from taxi_domain.mongodb import DATABASE
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.conductor import FINALIZER, Conductor
from taxi_operator.metrics import Metrics
from taxi_operator.retraining import Retraining
from taxi_operator.scheduler import Scheduler
from taxi_operator.settings import FaultPoint, Settings
from taxi_store.connection import connect_async
from taxi_store.registry_async import AsyncRegistry

logger = logging.getLogger(__name__)

_STALE_SECONDS: Final = 60.0


def register(registry: kopf.OperatorRegistry, settings: Settings) -> None:
    """Hang the operator's handlers onto a kopf registry."""
    started: dict[str, Any] = {}

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        _configure(settings)
        scheduler = await _scheduler(operator_settings, started)
        started["scheduler"] = scheduler
        started["task"] = asyncio.create_task(scheduler.run(), name="scheduler")

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        task = started.get("task")
        if task is not None:
            task.cancel()
        await started["cluster"].close()
        await started["mongodb"].close()

    # Events only tell that there is something to look at; state is read at each tick.
    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def saw(event: kopf.RawEvent, name: str, **_: Any) -> None:
        if event["type"] == "DELETED":
            started["scheduler"].lost(name)
        else:
            started["scheduler"].saw(name)

    # Any other exception would make kopf try this probe again under a lock, for ever.
    @kopf.on.probe(id="scheduler", registry=registry)
    async def alive(**_: Any) -> float:
        age = time.monotonic() - float(started["scheduler"].beat)
        if started["task"].done() or age > _STALE_SECONDS:
            raise kopf.PermanentError(f"the scheduler stands still for {age:.0f} s")
        return age

    operator_settings = settings


async def _scheduler(settings: Settings, started: dict[str, Any]) -> Scheduler:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    start_http_server(settings.metrics_port, registry=registry)
    cluster = await Cluster.connect(settings.namespace, settings.api_timeout_seconds)
    client = connect_async(settings.mongodb_uri, app_name="taxi-operator")
    started |= {"cluster": cluster, "mongodb": client}

    def die_at(point: FaultPoint) -> None:
        if settings.fault is point:
            logger.error("dying on purpose", extra={"at": str(point)})
            os._exit(137)

    retraining = Retraining(cluster, AsyncRegistry(client[DATABASE]), die_at)
    conductor = Conductor(cluster, retraining, metrics, time.time, die_at)
    return Scheduler(conductor, metrics, settings.concurrency)


def _configure(settings: kopf.OperatorSettings) -> None:
    """Set kopf's options; see docs/adr for the reasons."""
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.watching.reconnect_backoff = 1.0
    settings.networking.connect_timeout = 5
    settings.networking.request_timeout = 30
    settings.persistence.finalizer = FINALIZER
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP, v1=False)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(
        prefix=GROUP, key="last", v1=False
    )
    settings.posting.level = logging.WARNING
    settings.process.ultimate_exiting_timeout = 20
    settings.queueing.worker_limit = 32
