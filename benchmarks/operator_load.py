"""What the operator costs with many policies, and how late it is, beside one of an earlier commit.

A real API server and a real Prometheus, on loopback; every value is another one at each look, and
nothing is breached. Both operators run one after the other, in a namespace of their own with the
same objects. Prometheus looks at their metrics every 15 seconds, as in a cluster.

- `quiet`: cores, memory, lag of the evaluations, calls an evaluation, status writes a second.
- `hung`: the same, once 50 of the policies ask servers that take connections and never answer;
  the lag is that of the others.
- `breach`: seconds from the moment at which many policies' values change to each one's Job.
Usage: python benchmarks/operator_load.py [--base COMMIT] [--policies 200] [--seconds 120]
"""

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from operating.calls import Calls  # noqa: E402 - found by the path above
from operating.fleet import INTERVAL, SIGNALS, WELL, Fleet, Flickering, Settings  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from support.control_plane import running_control_plane  # noqa: E402
from support.operator_process import OperatorProcess, eventually  # noqa: E402
from support.policy_namespace import serve_resource  # noqa: E402
from support.prometheus import running_prometheus  # noqa: E402

from taxi_local.mongod import running_mongod  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "operator.json"
HUNG = 50
#: Policies whose values change at the same moment.
BREACHED = 50
#: How often the metrics are looked at, seconds.
SCRAPE = 15
#: An operator is left alone for so long after a change, seconds.
SETTLE = 45
#: Figure, part, and what it should be at most.
TARGETS = (
    ("cores", "quiet", 0.1), ("peak_mib", "quiet", 110), ("lag_p95_seconds", "quiet", 2),
    ("status_writes_per_second", "quiet", 0.1), ("cores", "hung", 0.1), ("peak_mib", "hung", 110),
    ("lag_p95_seconds", "hung", 2), ("p95_seconds", "breach", INTERVAL + 5),
)  # fmt: skip
_SOURCES = ("libs/*/src", "operator/src")

Figures = dict[str, Any]


def watched(
    operator: OperatorProcess, calls: Calls, seconds: float, label: str = "policy="
) -> Figures:
    """Watch an operator for some time.

    Args:
        operator: The process.
        calls: Counts what it asks.
        seconds: How long.
        label: Of the policies whose lag counts.
    """
    lags: list[float] = []
    memory = 0
    asked, begin = calls.counted(), time.monotonic()
    worked, evaluated = operator.cpu_seconds(), _evaluations(operator)
    while (left := begin + seconds - time.monotonic()) > 0:
        time.sleep(min(SCRAPE, left))
        lags += operator.metric_values("taxi_operator_reconcile_lag_seconds", label)
        memory = max(memory, operator.memory_bytes())
    took = time.monotonic() - begin
    evaluations = _evaluations(operator) - evaluated
    cores = (operator.cpu_seconds() - worked) / took
    new = Counter(calls.counted())
    new.subtract(asked)
    to_prometheus = sum(count for what, count in new.items() if what.startswith("prometheus"))
    to_api = sum(count for what, count in new.items() if not what.startswith("prometheus"))
    writes = sum(count for what, count in new.items() if what.endswith("driftpolicies/status"))
    return {
        "cores": round(cores, 3),
        "peak_mib": round(memory / 2**20, 1),
        "lag_p95_seconds": round(statistics.quantiles(lags, n=20)[-1], 2),
        "evaluations_per_second": round(evaluations / took, 2),
        "prometheus_calls_per_evaluation": round(to_prometheus / evaluations, 2),
        "api_calls_per_evaluation": round(to_api / evaluations, 2),
        "api_calls_per_second": round(to_api / took, 2),
        "status_writes_per_second": round(writes / took, 3),
        "api_calls": {what: count for what, count in sorted(new.items()) if count},
    }


def _evaluations(operator: OperatorProcess) -> float:
    return operator.metric("taxi_operator_reconciles_total")


def measure(
    fleet: Fleet, calls: Calls, exporter: Flickering, seconds: float, **variables: str
) -> Figures:
    """Return all figures of an operator."""
    fleet.build()
    exporter.add(fleet.namespace, fleet.policies)
    operator = fleet.start(**variables)
    try:
        eventually(
            "all were evaluated",
            lambda: sum(one > 0 for one in operator.metric_values(
                "taxi_operator_reconciles_total", 'result="ok"'
            )) == len(fleet.policies),
            120,
        )  # fmt: skip
        time.sleep(SETTLE)
        quiet = watched(operator, calls, seconds)
        well = fleet.hang()
        time.sleep(SETTLE)
        hung = watched(operator, calls, seconds / 2, f'policy="{WELL}-')
        return {"quiet": quiet, "hung": hung, "breach": _breach(fleet, exporter, well[:BREACHED])}
    finally:
        operator.kill()


def _breach(fleet: Fleet, exporter: Flickering, policies: Sequence[str]) -> Figures:
    exporter.breach(fleet.namespace, policies)
    begin = time.monotonic()
    seen: dict[str, float] = {}
    while len(seen) < len(policies):
        seen = fleet.jobs() | seen
        if time.monotonic() - begin > 4 * INTERVAL:
            raise RuntimeError(f"{len(seen)} of {len(policies)} policies have a Job")
        time.sleep(0.25)
    took = [at - begin for at in seen.values()]
    jobs = len(fleet.jobs())
    return {
        "policies": len(policies), "jobs": jobs,
        "p50_seconds": round(statistics.median(took), 1),
        "p95_seconds": round(statistics.quantiles(took, n=20)[-1], 1),
    }  # fmt: skip


def checkout(commit: str, folder: Path) -> str:
    """Return the search path of a commit's operator; its libraries are today's."""
    packed = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit, "libs", "operator"],
        capture_output=True, check=True,
    )  # fmt: skip
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    found = [one for pattern in _SOURCES for one in sorted(folder.glob(pattern))]
    return ":".join(map(str, found))


def measure_all(given: argparse.Namespace, folder: Path, stack: ExitStack) -> Figures:
    """Return the figures of each operator, by its name."""
    for name in ("plane", "prometheus", "base"):
        (folder / name).mkdir()
    arms: dict[str, dict[str, str]] = {"now": {}}
    if given.base:
        arms = {"base": {"PYTHONPATH": checkout(given.base, folder / "base")}, **arms}
    plane = stack.enter_context(running_control_plane(folder / "plane"))
    serve_resource(plane)
    exporter = Flickering()
    prometheus = stack.enter_context(running_prometheus(folder / "prometheus", exporter))
    mongod = stack.enter_context(running_mongod())
    sockets = [
        stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
        for _ in range(HUNG)
    ]
    hung = [f"http://127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    settings = Settings(folder, plane, prometheus.url, hung, mongod.uri)
    calls = Calls(plane, prometheus.url)
    figures: Figures = {}
    for name, variables in arms.items():
        fleet = Fleet(name, given.policies, settings)
        figures[name] = measure(fleet, calls, exporter, given.seconds, **variables)
        Console().print({name: figures[name]})
    return figures


def main() -> None:
    """Measure, print, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="", help="commit of the other operator")
    parser.add_argument("--policies", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=120, help="that each is watched")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        figures = measure_all(given, folder, stack)
    show(figures)
    document = {
        **figures,
        "policies": given.policies, "signals": len(SIGNALS), "interval_seconds": INTERVAL,
        "base_commit": given.base,
        "machine": {
            "processors": len(os.sched_getaffinity(0)), "platform": platform.platform()
        },
        "versions": {
            "python": platform.python_version(),
            **{one: version(one) for one in ("aiohttp", "kopf", "kubernetes")},
        },
    }  # fmt: skip
    RESULT.write_text(json.dumps(document, indent=1) + "\n")


def show(figures: Figures) -> None:
    """Print the figures that have targets."""
    table = Table("part", "figure", "at most", *figures, "")
    for figure, part, limit in TARGETS:
        found = [figures[one][part][figure] for one in figures]
        met = figures["now"][part][figure] <= limit
        table.add_row(part, figure, str(limit), *map(str, found), "" if met else "missed")
    Console().print(table)


if __name__ == "__main__":
    main()
