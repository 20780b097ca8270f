"""What traces cost: of every hundredth request and of all, over none; the collector takes all."""

import argparse
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from serving.arms import Bench, logging_arm
from serving.artifacts import taxi_artifact
from serving.rounds import Figures, interleaved, median, ratio, warm_up
from serving.wrk import Load

UNTRACED = "untraced"
#: Arms with traces, by the share of requests that is sampled.
SHARES = {"traced_hundredth": "0.01", "traced_all": "1"}


def measure(bench: Bench, options: argparse.Namespace) -> Figures:
    """Return rates, 99th percentiles and CPU times of each share over those without traces."""
    with ExitStack() as stack:
        endpoint = stack.enter_context(_collecting())
        arms = {}
        for name in (UNTRACED, *SHARES):
            environment = _environment(endpoint, SHARES[name]) if name in SHARES else {}
            arm, _ = stack.enter_context(
                logging_arm(bench, name, taxi_artifact(), environment=environment)
            )
            arms[name] = arm
        warm_up(arms)
        found = interleaved(arms, options.tracing_rounds, Load())
    figures: Figures = {
        "untraced_requests_per_second": median(found, UNTRACED, "rate"),
        "untraced_cpu_us_per_row": median(found, UNTRACED, "cpu"),
    }
    for name in SHARES:
        figures |= {
            f"{name}_over_untraced": ratio(found, name, UNTRACED, "rate"),
            f"p99_{name}_over_untraced": ratio(found, name, UNTRACED, "p99"),
            f"{name}_cpu_us_per_row": median(found, name, "cpu"),
        }
    return figures


def _environment(endpoint: str, share: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SERVICE_NAME": "taxi-predictor",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": share,
    }  # fmt: skip


class _Discard(BaseHTTPRequestHandler):
    """Takes spans and forgets them: what a collector costs is not measured."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _collecting() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Discard) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(5)
