"""Serves the monitor's page of a state on loopback, by the real routes and headers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from taxi_monitor.http import problems
from taxi_monitor.http.page_routes import page_blueprint
from taxi_monitor.http.pages import Pages
from taxi_monitor.http.report_readers import ReportReaders

Result = TypeVar("Result")


class DirectReaders:
    """Stands for the monitor's threads, which are gevent's: the server has threads of its own."""

    def run(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns."""
        return work()


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's
        """Say nothing."""


def page_app(pages: Pages) -> Flask:
    """Return an application with the page's routes."""
    app = Flask("taxi_monitor")
    problems.register(app)
    app.register_blueprint(page_blueprint(pages, cast("ReportReaders", DirectReaders())))
    return app


@contextmanager
def serving_page(pages: Pages) -> Iterator[str]:
    """Serve the pages; yields the address of the first one."""
    server = make_server("127.0.0.1", 0, page_app(pages), threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
