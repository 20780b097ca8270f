"""Puts the monitor together; one process, called after gunicorn's fork."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask
from prometheus_client import CollectorRegistry

from taxi_domain.records import MAX_PUSHED_BYTES
from taxi_monitor.http import problems
from taxi_monitor.http.access import Tokens, guard
from taxi_monitor.http.correction_notes import CorrectionNotes
from taxi_monitor.http.correction_routes import correction_blueprint
from taxi_monitor.http.event_log import EventLog
from taxi_monitor.http.event_routes import event_blueprint
from taxi_monitor.http.judged_views import JudgedViews
from taxi_monitor.http.openapi import openapi_blueprint
from taxi_monitor.http.page_history import PageHistory
from taxi_monitor.http.page_routes import page_blueprint
from taxi_monitor.http.pages import Pages
from taxi_monitor.http.probe_routes import probe_blueprint
from taxi_monitor.http.record_routes import record_blueprint
from taxi_monitor.http.report_readers import ReportReaders
from taxi_monitor.http.report_routes import report_blueprint
from taxi_monitor.http.routes import Parts, blueprint
from taxi_monitor.http.row_routes import row_blueprint
from taxi_monitor.http.runbook_routes import runbook_blueprint
from taxi_monitor.http.verdict_routes import verdict_blueprint
from taxi_monitor.metrics.counters import Counters
from taxi_monitor.metrics.evidence_gauges import EvidenceCollector
from taxi_monitor.metrics.gauges import StateCollector
from taxi_monitor.metrics.pending_gauge import PendingCollector
from taxi_monitor.metrics.report_gauges import ReportCollector, ReportWatch
from taxi_monitor.metrics.storage_gauges import StorageCollector, StorageWatch
from taxi_monitor.settings import Settings
from taxi_monitor.tailer.evidence_thread import EvidenceThread
from taxi_monitor.tailer.log_tailer import LogTailer
from taxi_monitor.tailer.rows_watch import RowsWatch
from taxi_monitor.windows.state import State
from taxi_runtime.bodies import Bodies
from taxi_runtime.ports import Application, Ports
from taxi_runtime.refused_lines import RefusedLines
from taxi_runtime.restarts import Restarts
from taxi_runtime.threads import Threads
from taxi_runtime.tracing import traces_of
from taxi_store.connection import connect, database_of

if TYPE_CHECKING:
    from taxi_runtime.traces import Traces

#: Threads for what is only read: whatever posts wait for, readers do not.
_READERS = 4
#: For scrapes and probes, which wait for neither.
_PROBES = 2
_STALE_EVALUATIONS = 10
_STALE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Monitor:
    """The application and its background threads."""

    app: Application
    tailer: LogTailer
    evidence: EvidenceThread
    corrections: CorrectionNotes
    traces: "Traces | None"

    def start(self) -> None:
        """Start the background threads."""
        self.tailer.start()
        self.evidence.start()

    def stop(self) -> None:
        """End them."""
        self.corrections.flush(at_once=True)
        self.tailer.stop()
        self.evidence.stop()
        if self.traces is not None:
            self.traces.stop()


def create_monitor(settings: Settings, restarts: Restarts, tokens: Tokens) -> Monitor:
    """Build the object graph; the background threads are not started yet."""
    database = database_of(connect(settings.mongodb_uri, app_name="taxi-monitor"))
    registry = CollectorRegistry()
    registry.register(restarts)
    counters = Counters(registry)
    state = State(settings.window_rows, settings.min_rows, settings.score_names)
    rows = State(settings.window_rows, settings.min_rows, settings.score_names)
    tailer = LogTailer(database, settings, state, counters)
    evidence = EvidenceThread(
        database, settings, state, counters, unreadable=tailer.unreadable, rows=rows
    )
    verdicts = JudgedViews(evidence.views)
    rows_watch = RowsWatch(
        database, settings.model, state, rows, window_rows=settings.window_rows,
        unreadable=tailer.unreadable, clock=time.time,
    )  # fmt: skip
    threads = {"log_tailer": tailer.is_alive, "evidence": evidence.is_alive}
    registry.register(StateCollector(state, settings.model, threads, time.time, rows))
    registry.register(
        EvidenceCollector(
            state, evidence.views, settings.model, settings.known_events, clock=time.time, rows=rows
        )
    )
    parts = Parts(
        state, rows, tailer, evidence, counters, registry, database, settings.model,
        Bodies(MAX_PUSHED_BYTES), Threads(settings.threads), Threads(_READERS), Threads(_PROBES),
        stale_after_seconds=max(_STALE_SECONDS, _STALE_EVALUATIONS * settings.evaluation_seconds),
        clock=time.time, events=settings.known_events, newest=verdicts.newest,
        refusals=RefusedLines(), corrections=CorrectionNotes(database, settings.model),
    )  # fmt: skip
    events = EventLog(parts, settings.inference_service or settings.model)
    registry.register(PendingCollector(lambda: events.waiting))
    tailer.each_cycle = (
        *_watched(parts), events.look, rows_watch.look, parts.corrections.flush
    )  # fmt: skip
    history = PageHistory(database, settings.model, state, verdicts, parts.events, parts.clock)
    pages = Pages(settings.model, state, history, counters, parts.clock)
    traces = traces_of(settings)
    api = create_app(parts, events, pages, tokens)
    app = Ports(_traced(api, traces), create_probes(parts), settings.metrics_port)
    return Monitor(app, tailer, evidence, parts.corrections, traces)


def create_app(parts: Parts, events: EventLog, pages: Pages, tokens: Tokens) -> Flask:
    """Return the application that clients ask."""
    # The style sheet has a route of its own.
    app = Flask("taxi_monitor", static_folder=None)
    problems.register(app)
    guard(app, tokens)
    # Pages and the history they show are read by threads of their own.
    readers = ReportReaders("page")
    for one in (
        blueprint(parts), record_blueprint(parts), event_blueprint(parts, events),
        row_blueprint(parts), correction_blueprint(parts), report_blueprint(parts),
        openapi_blueprint(parts), page_blueprint(pages, readers), verdict_blueprint(parts, readers),
        runbook_blueprint(),
    ):  # fmt: skip
        app.register_blueprint(one)
    return app


def _traced(api: Flask, traces: "Traces | None") -> Application:
    if traces is None:
        return api
    from taxi_runtime.traced_http import TracedApplication

    return TracedApplication(api, api, traces)


def create_probes(parts: Parts) -> Flask:
    """Return the application that Prometheus and the kubelet ask."""
    app = Flask("taxi_monitor", static_folder=None)
    problems.register(app)
    app.register_blueprint(probe_blueprint(parts))
    return app


def _watched(parts: Parts) -> tuple[Callable[[], None], ...]:
    """Export what the store says of reports, its disk and backups; return what asks it again."""
    reports = ReportWatch(parts.database, parts.model)
    storage = StorageWatch(parts.database)
    parts.registry.register(ReportCollector(reports))
    parts.registry.register(StorageCollector(storage))
    return reports.refresh, storage.refresh
