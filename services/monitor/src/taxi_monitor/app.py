"""Puts the monitor together; one process, called after gunicorn's fork."""

import time
from dataclasses import dataclass

from flask import Flask
from prometheus_client import CollectorRegistry

from taxi_domain.records import MAX_PUSHED_BYTES
from taxi_monitor.http import problems
from taxi_monitor.http.access import Tokens
from taxi_monitor.http.correction_routes import correction_blueprint
from taxi_monitor.http.event_log import EventLog
from taxi_monitor.http.event_routes import event_blueprint
from taxi_monitor.http.openapi import openapi_blueprint
from taxi_monitor.http.record_routes import record_blueprint
from taxi_monitor.http.report_routes import report_blueprint
from taxi_monitor.http.routes import Parts, blueprint
from taxi_monitor.http.row_routes import row_blueprint
from taxi_monitor.metrics.counters import Counters
from taxi_monitor.metrics.evidence_gauges import EvidenceCollector
from taxi_monitor.metrics.gauges import StateCollector
from taxi_monitor.metrics.pending_gauge import PendingCollector
from taxi_monitor.metrics.report_gauges import ReportCollector, ReportWatch
from taxi_monitor.settings import Settings
from taxi_monitor.tailer.evidence_thread import EvidenceThread
from taxi_monitor.tailer.log_tailer import LogTailer
from taxi_monitor.tailer.rows_watch import RowsWatch
from taxi_monitor.windows.state import State
from taxi_runtime.bodies import Bodies
from taxi_runtime.restarts import Restarts
from taxi_runtime.threads import Threads
from taxi_store.connection import connect, database_of

#: Threads for what is only read: whatever posts wait for, probes and scrapes do not.
_READERS = 4
_STALE_EVALUATIONS = 10
_STALE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Monitor:
    """The application and its background threads."""

    app: Flask
    tailer: LogTailer
    evidence: EvidenceThread

    def start(self) -> None:
        """Start the background threads."""
        self.tailer.start()
        self.evidence.start()

    def stop(self) -> None:
        """End them."""
        self.tailer.stop()
        self.evidence.stop()


def create_monitor(settings: Settings, restarts: Restarts, tokens: Tokens) -> Monitor:
    """Build the object graph; the background threads are not started yet."""
    database = database_of(connect(settings.mongodb_uri, app_name="taxi-monitor"))
    registry = CollectorRegistry()
    registry.register(restarts)
    counters = Counters(registry)
    state = State(settings.window_rows, settings.min_rows, settings.score_names)
    tailer = LogTailer(database, settings, state, counters)
    evidence = EvidenceThread(database, settings, state, counters, unreadable=tailer.unreadable)
    rows = State(settings.window_rows, settings.min_rows, settings.score_names)
    rows_watch = RowsWatch(
        database, settings.model, state, rows, window_rows=settings.window_rows,
        unreadable=tailer.unreadable, clock=time.time,
    )  # fmt: skip
    watch = ReportWatch(database, settings.model)
    registry.register(ReportCollector(watch))
    threads = {"log_tailer": tailer.is_alive, "evidence": evidence.is_alive}
    registry.register(StateCollector(state, settings.model, threads, time.time, rows))
    registry.register(
        EvidenceCollector(state, evidence.views, settings.model, settings.known_events, time.time)
    )
    parts = Parts(
        state, rows, tailer, evidence, counters, registry, database, settings.model, tokens,
        Bodies(MAX_PUSHED_BYTES), Threads(settings.threads), Threads(_READERS),
        stale_after_seconds=max(_STALE_SECONDS, _STALE_EVALUATIONS * settings.evaluation_seconds),
        clock=time.time, events=settings.known_events,
    )  # fmt: skip
    events = EventLog(parts, settings.inference_service or settings.model)
    registry.register(PendingCollector(lambda: events.waiting))

    def each_cycle() -> None:
        watch.refresh()
        events.look()
        rows_watch.look()

    tailer.each_cycle = each_cycle
    return Monitor(create_app(parts, events), tailer, evidence)


def create_app(parts: Parts, events: EventLog) -> Flask:
    """Return the application with all routes."""
    app = Flask("taxi_monitor")
    problems.register(app)
    app.register_blueprint(blueprint(parts))
    app.register_blueprint(record_blueprint(parts))
    app.register_blueprint(event_blueprint(parts, events))
    app.register_blueprint(row_blueprint(parts))
    app.register_blueprint(correction_blueprint(parts))
    app.register_blueprint(report_blueprint(parts))
    app.register_blueprint(openapi_blueprint(parts))
    return app
