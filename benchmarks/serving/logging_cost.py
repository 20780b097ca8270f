"""What log and monitor cost: over the same predictor without them, and over a constant answer."""

import argparse
import statistics
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from support.predictor import Predictor

from serving.arms import Arm, Bench, logging_arm, running
from serving.artifacts import taxi_artifact
from serving.delivery import waiting_records
from serving.rounds import Figures, Rounds, compared, interleaved, median, ratio, warm_up
from serving.wrk import Load, wrk

MONITORED, UNMONITORED, CONSTANT = "monitored", "unmonitored", "constant"
CONNECTIONS = (1, 8, 32)
_SUSTAINED_ROUNDS = 2


def measure(bench: Bench, options: argparse.Namespace) -> Figures:
    """Return all ratios: of each number of connections, the worst of them, and sustained ones."""
    with _arms(bench) as arms:
        warm_up(arms)
        figures: Figures = {}
        for connections in CONNECTIONS:
            found = interleaved(arms, options.logging_rounds, Load(connections))
            figures |= _figures(found, f"{connections}_connections")
        figures |= {
            name: pick(figures[f"{name}_{connections}_connections"] for connections in CONNECTIONS)
            for name, pick in (
                ("monitored_over_unmonitored", min), ("monitored_over_constant", min),
                ("p99_monitored_over_unmonitored", max),
            )
        }  # fmt: skip
        return figures | _sustained(arms, options.sustained)


@contextmanager
def _arms(bench: Bench) -> Iterator[dict[str, Arm]]:
    with ExitStack() as stack:
        monitored, uri = stack.enter_context(logging_arm(bench, MONITORED, taxi_artifact()))
        arms = {MONITORED: monitored}
        for name in (UNMONITORED, CONSTANT):
            process = Predictor(
                bench.subfolder(name), uri, TAXI_PREDICT_LOG="false",
                TAXI_PREDICT_WORKERS=str(bench.workers),
            )  # fmt: skip
            if name == CONSTANT:
                process.command = (sys.executable, "-m", "constant_app")
            stack.enter_context(running(bench, process))
            arms[name] = Arm(process)
        yield arms


def _figures(found: Rounds, of: str) -> Figures:
    rate = f"monitored_over_unmonitored_{of}"
    figures = {
        **compared(found, MONITORED, UNMONITORED, "rate", rate),
        f"monitored_over_constant_{of}": ratio(found, MONITORED, CONSTANT, "rate"),
        f"p99_monitored_over_unmonitored_{of}": ratio(found, MONITORED, UNMONITORED, "p99"),
    }
    for name in found:
        figures[f"{name}_requests_per_second_{of}"] = median(found, name, "rate")
        figures[f"{name}_p99_ms_{of}"] = median(found, name, "p99", 2)
    return figures


def _sustained(arms: dict[str, Arm], seconds: int) -> Figures:
    """Return what a long time of the highest load shows, and what waits at its end."""
    load = Load(CONNECTIONS[-1], seconds)
    rates, p99, left, per_second = [], [], [], []
    for _ in range(_SUSTAINED_ROUNDS):
        arms[MONITORED].settle()
        unmonitored, monitored = (
            wrk(f"{arms[name].process.url}/predict", arms[name].body, load)
            for name in (UNMONITORED, MONITORED)
        )
        left.append(waiting_records(arms[MONITORED].process.metrics_url) / monitored.rate)
        rates.append(monitored.rate / unmonitored.rate)
        p99.append(monitored.p99 / unmonitored.p99)
        per_second.append(monitored.rate)
    return {
        "sustained_monitored_over_unmonitored": round(statistics.median(rates), 3),
        "sustained_p99_monitored_over_unmonitored": round(statistics.median(p99), 3),
        "sustained_requests_per_second": round(statistics.median(per_second), 1),
        "sustained_seconds_left_to_deliver": round(statistics.median(left), 2),
    }
