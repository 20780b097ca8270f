"""Puts the operator together; kopf is only its shell: watch and lifecycle."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import kopf
from prometheus_client import CollectorRegistry

from taxi_domain.errors import TaxiError
from taxi_domain.kube import GROUP, PLURAL, VERSION
from taxi_domain.metrics import OPERATOR_API_ERRORS
from taxi_operator.adapters.api_server import ApiServer
from taxi_operator.adapters.audit_log import AuditLog
from taxi_operator.adapters.audited import AuditedCluster, AuditedRegistry
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.adapters.credentials import Credentials
from taxi_operator.adapters.kinds import POLICIES
from taxi_operator.adapters.receiver import Receiver
from taxi_operator.adapters.servers import Servers
from taxi_operator.adapters.view import View
from taxi_operator.effects.executor import Executor
from taxi_operator.metrics import Metrics
from taxi_operator.metrics_server import serve
from taxi_operator.notify.outbox import Outbox
from taxi_operator.notify.webhook import Webhook
from taxi_operator.places import Places
from taxi_operator.reconciler import Reconciler
from taxi_operator.reports import ReportSource
from taxi_operator.scheduler import Scheduler
from taxi_operator.settings import Failpoint, Settings
from taxi_operator.spec.addresses import AllowList
from taxi_runtime.tracing import traces_of
from taxi_store.admin.audit_async import AsyncAudit
from taxi_store.connection import async_database_of, connect_async

if TYPE_CHECKING:
    from taxi_runtime.traces import Traces

logger = logging.getLogger(__name__)

_STALE_SECONDS: Final = 60.0
#: However many calls that are: few policies make few.
_REFUSED_SECONDS: Final = 15.0
#: Earlier releases held policies with it while the fallback served.
OLD_FINALIZER: Final = f"{GROUP}/drift-operator"


class Operator:
    """The running operator: its connections and its scheduler, made inside of kopf's event loop."""

    def __init__(  # noqa: PLR0913, PLR0917 - what runs
        self, scheduler: Scheduler, outbox: Outbox, cluster: Cluster, view: View,
        closes: Sequence[Callable[[], Awaitable[None]]], audit: AuditLog,
    ) -> None:  # fmt: skip
        self.scheduler = scheduler
        self._view = view
        self._cluster = cluster
        self._closes = closes
        view.start()
        self._task = asyncio.create_task(scheduler.run(), name="scheduler")
        self._deliveries = asyncio.create_task(outbox.run(), name="outbox")
        self._notes = asyncio.create_task(audit.run(), name="audit")

    @classmethod
    async def start(cls, settings: Settings) -> "Operator":
        """Connect and begin to reconcile."""
        registry = CollectorRegistry()
        metrics = Metrics(registry)
        serve(registry, settings.metrics_port)
        mongodb = connect_async(settings.mongodb_uri, app_name="taxi-operator")
        database = async_database_of(mongodb)
        audit = AuditLog(AsyncAudit(database), time.time)
        api = await ApiServer.connect(settings.api_timeout_seconds)
        cluster = AuditedCluster(settings.namespace, api, audit)

        def failpoint(point: Failpoint) -> None:
            if settings.fault is point:
                logger.error("dying on purpose", extra={"at": str(point)})
                os._exit(137)

        reports = ReportSource(
            settings.report_cron_job, settings.report_url, settings.report_span_seconds
        )
        servers, places = servers_of(settings), Places(settings.concurrency)
        webhook = webhook_of(settings, cluster.clock)
        outbox = Outbox(webhook, metrics, cluster.clock)

        def failed(_error: TaxiError) -> None:
            metrics[OPERATOR_API_ERRORS].labels("kubernetes").inc()

        traces = traces_of(settings)
        view = View(cluster, failed)
        reconciler = Reconciler(
            cluster, AuditedRegistry(database, audit), metrics, reports, servers, places,
            view=view, instance=settings.instance, max_runs=settings.max_runs, outbox=outbox,
            failpoint=failpoint, executor=_executor_of(traces),
        )  # fmt: skip
        closes = [servers.close, cluster.close, mongodb.close, *_closes_of(webhook, traces)]
        scheduler = Scheduler(reconciler, metrics, places)
        return cls(scheduler, outbox, cluster, view, closes, audit)

    async def stop(self) -> None:
        """End what runs and close the connections."""
        self._task.cancel()
        self._deliveries.cancel()
        self._notes.cancel()
        self._view.stop()
        for close in self._closes:
            await close()

    def saw(self, name: str, event: kopf.RawEvent) -> None:
        """Take an event of kopf's watch: it may be ahead of the view's, and wakes its policy."""
        found = event["object"]
        if event["type"] == "DELETED":
            self._view.remove(POLICIES, found)
            self.scheduler.lost(name)
            return
        self._view.bring(POLICIES, found)
        metadata = found["metadata"]
        version = (metadata["uid"], metadata.get("generation"), metadata.get("deletionTimestamp"))
        self.scheduler.saw(name, version)

    def liveness_failure(self) -> str:
        """Return why the process has to be started anew, empty when it is well.

        Any thread may ask: what it looks at is only read.
        """
        age = time.monotonic() - self.scheduler.beat
        if self._task.done() or age > _STALE_SECONDS:
            return f"the scheduler stands still for {age:.0f} s"
        if self._deliveries.done():
            return "the outbox of the webhook has ended"
        if self._notes.done():
            return "the audit is not written any more"
        if self._cluster.login_refused_seconds() > _REFUSED_SECONDS:
            return "the API server refuses the login"
        return ""


def _executor_of(traces: "Traces | None") -> Callable[..., Executor]:
    if traces is None:
        return Executor
    from taxi_operator.effects.traced_executor import TracedExecutor

    return partial(TracedExecutor, traces)


def _closes_of(
    webhook: Webhook | None, traces: "Traces | None"
) -> list[Callable[[], Awaitable[None]]]:
    """Return what ends these, as far as there are any."""
    found: list[Callable[[], Awaitable[None]]] = [] if webhook is None else [webhook.close]
    return found if traces is None else [*found, partial(asyncio.to_thread, traces.stop)]


def servers_of(settings: Settings) -> Servers:
    """Return the Prometheus servers that policies may ask."""
    credentials = Credentials(
        settings.prometheus_secret, settings.prometheus_tenant_header, settings.prometheus_tenant
    )
    allowed = AllowList(settings.prometheus_url, settings.prometheus_allowed.split())
    return Servers(allowed, credentials, settings.prometheus_timeout_seconds)


def webhook_of(settings: Settings, clock: Callable[[], float]) -> Webhook | None:
    """Return the platform's webhook, None when it has none."""
    if not settings.webhook_url or settings.webhook_secret is None:
        return None
    receiver = Receiver(settings.webhook_url, settings.webhook_secret)
    return Webhook(receiver, settings.cluster_name, clock)


def register(registry: kopf.OperatorRegistry, settings: Settings) -> Callable[[], str]:
    """Hang the operator's handlers onto a kopf registry.

    Returns:
        What tells why the process has to be started anew, empty when it is well.
    """
    own = settings
    operator: Operator | None = None

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        nonlocal operator
        _configure(settings)
        operator = await Operator.start(own)

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        if operator is not None:
            await operator.stop()

    # Events only tell that there is something to look at; state is read at each reconcile.
    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def saw(event: kopf.RawEvent, name: str, **_: Any) -> None:
        assert operator is not None  # kopf watches after its startup
        operator.saw(name, event)

    def liveness_failure() -> str:
        return operator.liveness_failure() if operator is not None else "not started yet"

    return liveness_failure


def _configure(settings: kopf.OperatorSettings) -> None:
    """Set kopf's options; docs/drift-policy.md and the ADR about reconciles have the reasons."""
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.watching.reconnect_backoff = 1.0
    settings.networking.connect_timeout = 5
    settings.networking.request_timeout = 30
    # Nothing here needs one. kopf takes its own off whatever has no deletion handler: so those of
    # earlier releases go, and no deletion waits for them.
    settings.persistence.finalizer = OLD_FINALIZER
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP, v1=False)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(
        prefix=GROUP, key="last", v1=False
    )
    settings.posting.level = logging.WARNING
    settings.process.ultimate_exiting_timeout = 20
    settings.queueing.worker_limit = 32
