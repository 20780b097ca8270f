"""What logging and monitoring cost the caller of POST /predict, and the whole system.

Three arms on the same work, interleaved in one run: the predictor with logging and a real
monitor, the same without both, and a Flask route that answers a constant, all under the
same gunicorn settings. All processes of an arm, its delivery too, are pinned to one core;
wrk, mongod and the monitor to another, where wrk has real-time priority: what delays the
measurement is no delay of the answers. The arms have no capabilities, as in the chart's
pods. A shared machine's speed drifts by a tenth within seconds, so rounds are short and many,
the order of the arms changes with each, and a ratio is the median of the rounds' own ratios.
Before each measurement the spool is empty and there is the same pause. A core that is busy puts
the delivery off until after a short round, for the rate and for the 99th percentile: what it
costs then shows in `sustained_...`, half a minute at a time, and in `system_cpu_us_per_row`,
which counts until the log has the rows. Compare ratios within a run; absolute figures are of the
machine.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import cycle, islice, permutations
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

import httpx  # noqa: E402 - found by the path above
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from support.monitor import TOKEN, Monitor  # noqa: E402
from support.predictor import PLAIN, Predictor, register  # noqa: E402
from support.taxi_columns import SCHEMA, taxi_rides, usual  # noqa: E402

from taxi_domain.models import Alias  # noqa: E402
from taxi_local.mongod import running_mongod  # noqa: E402 - found by the path above
from taxi_local.server_process import ServerProcess  # noqa: E402
from taxi_train.fitting.candidates import Trainer  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "predict.json"
CONNECTIONS = (1, 8, 32)
BATCH = 1000
BATCH_ROUNDS = 10
SUSTAINED_SECONDS = 30
SUSTAINED_ROUNDS = 3
UNPRIVILEGED = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "prlimit", "--nice=0:0")
MONITORED, UNMONITORED, CONSTANT = "monitored", "unmonitored", "constant"
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Measured:
    """One round of one arm: requests a second, 99th percentile in milliseconds, requests."""

    rate: float
    p99: float
    answered: int


class Constant(Predictor):
    """The same process handling for an application that answers a constant."""

    def __init__(self, folder: Path, uri: str, **variables: str) -> None:
        super().__init__(folder, uri, **variables)
        self._module = "constant_app"


def wrk(url: str, body: object, connections: int, seconds: float) -> Measured:
    """Run wrk and read its figures; every answer must be 200."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            f'wrk.method = "POST"\nwrk.body = [=[{json.dumps(body)}]=]\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
        )
        script.flush()
        printed = subprocess.run(
            ["chrt", "-f", "10", "wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s",
             "--latency", "--timeout", "10s", "-s", script.name, url],
            capture_output=True, text=True, timeout=seconds + 60, check=True,
        ).stdout  # fmt: skip
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise SystemExit(f"some requests failed:\n{printed}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", printed)
    answered = re.search(r"(\d+) requests in", printed)
    if rate is None or p99 is None or answered is None:
        raise SystemExit(f"wrk printed something else:\n{printed}")
    return Measured(float(rate[1]), float(p99[1]) * UNITS[p99[2]], int(answered[1]))


def cpu_seconds(pids: list[int]) -> float:
    """Return the CPU time that processes used, user and system."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process (Rss), MiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Rss:\s+(\d+) kB", text, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def waiting_records(arm: Predictor) -> float:
    """Return how many answered rows MongoDB lacks; the counts are up to half a second old."""
    page = httpx.get(f"{arm.url}/metrics", timeout=10).text

    def total(name: str) -> float:
        found = re.findall(rf"^taxi_predictor_{name}_total{{[^}}]*}} (\S+)$", page, re.MULTILINE)
        return sum(map(float, found))

    logged = re.search(
        r'^taxi_predictor_logged_records_total{destination="mongodb"} (\S+)$', page, re.MULTILINE
    )
    return total("predictions") - (float(logged[1]) if logged else 0.0)


def wait_for_delivery(arm: Predictor) -> None:
    """Wait until the spool is empty, so that no arm pays for another's rows."""
    deadline = time.monotonic() + 120
    time.sleep(0.5)
    while time.monotonic() < deadline:
        if waiting_records(arm) == 0:
            time.sleep(0.5)
            return
        time.sleep(0.3)
    raise SystemExit("the rows were not delivered in two minutes")


def main() -> None:
    """Measure, print a table, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--workers", default="1", help="gunicorn workers, in all arms")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed; install it (Debian: apt-get install wrk)")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("two cores are needed: one for the predictor, one for all others")
    os.sched_setaffinity(0, {cores[1]})  # for us and what we start
    with running_mongod() as mongod, tempfile.TemporaryDirectory() as scratch:
        artifact = Trainer(SCHEMA).train(usual(taxi_rides("green-2021-01.parquet")))
        register(mongod.uri, Alias.CHAMPION, artifact)
        folders = {name: Path(scratch) / name for name in (MONITORED, UNMONITORED, CONSTANT, "m")}
        for folder in folders.values():
            folder.mkdir()
        monitor = Monitor(folders["m"], mongod.uri, TAXI_MONITOR_EVALUATION_SECONDS="5")
        same = {"TAXI_PREDICT_WORKERS": options.workers}
        arms: dict[str, Predictor] = {
            MONITORED: Predictor(
                folders[MONITORED], mongod.uri, TAXI_MONITOR_URL=monitor.url,
                TAXI_MONITOR_TOKEN=TOKEN, **same,
            ),
            UNMONITORED: Predictor(
                folders[UNMONITORED], mongod.uri, TAXI_PREDICT_LOG="false", **same
            ),
            CONSTANT: Constant(folders[CONSTANT], mongod.uri, TAXI_PREDICT_LOG="false", **same),
        }  # fmt: skip
        for arm in arms.values():
            arm.prefix = (*UNPRIVILEGED, "taskset", "-c", str(cores[0]))
        started: list[ServerProcess] = [monitor, *arms.values()]
        start_cpu = 0.0
        try:
            for one in started:
                one.start()
                if one is arms[MONITORED]:
                    start_cpu = cpu_seconds(one.pids())
            others = [*monitor.pids(), mongod.pid]
            figures = {
                "start_to_ready_cpu_seconds": round(start_cpu, 2),
                **measure(arms, others, options),
            }
        finally:
            for one in started:
                one.stop()
    write(figures)


def measure(
    arms: dict[str, Predictor], others: list[int], options: argparse.Namespace
) -> dict[str, float]:
    """Return all figures; ratios are medians of the ratios of each round."""
    figures: dict[str, float] = {"rounds": options.rounds, "workers": int(options.workers)}
    for arm in arms.values():
        wrk(f"{arm.url}/predict", PLAIN, 8, 2)  # warm-up
    monitored = arms[MONITORED]
    cpu: list[float] = []
    for connections in CONNECTIONS:
        found: dict[str, list[Measured]] = {name: [] for name in arms}
        for order in islice(cycle(permutations(arms)), options.rounds):
            for name in order:
                wait_for_delivery(monitored)
                pids = [*others, *arms[name].pids()]
                before = cpu_seconds(pids)
                one = wrk(f"{arms[name].url}/predict", PLAIN, connections, options.seconds)
                found[name].append(one)
                if name == MONITORED:
                    wait_for_delivery(monitored)
                    cpu.append((cpu_seconds(pids) - before) * 1e6 / one.answered)
        figures |= ratios(found, connections)
    figures |= sustained(arms)
    workers = [pid for pid in monitored.pids() if pid != monitored.pids()[0]]
    figures |= {
        name: pick(figures[f"{name}_{one}_connections"] for one in CONNECTIONS)
        for name, pick in (
            ("monitored_over_unmonitored", min), ("monitored_over_constant", min),
            ("p99_monitored_over_unmonitored", max),
        )
    }  # fmt: skip
    return {
        **figures,
        "system_cpu_us_per_row": round(statistics.median(cpu), 1),
        "batch_over_single": batch_over_single(monitored, options.seconds),
        "largest_process_mib": round(max(resident_mib(pid) for pid in workers), 1),
    }


def batch_over_single(arm: Predictor, seconds: int) -> float:
    """Return how many times the rows of single requests a second batches answer."""
    found = []
    for _ in range(BATCH_ROUNDS):
        wait_for_delivery(arm)
        single = wrk(f"{arm.url}/predict", PLAIN, 8, seconds)
        wait_for_delivery(arm)
        batch = wrk(f"{arm.url}/predict/batch", [PLAIN] * BATCH, 8, seconds)
        found.append(batch.rate * BATCH / single.rate)
    return round(statistics.median(found), 1)


def sustained(arms: dict[str, Predictor]) -> dict[str, float]:
    """Return what half a minute of the highest load shows: the rate, and what waits at its end."""
    rates, p99, left, per_second = [], [], [], []
    for _ in range(SUSTAINED_ROUNDS):
        wait_for_delivery(arms[MONITORED])
        unmonitored, monitored = (
            wrk(f"{arms[name].url}/predict", PLAIN, CONNECTIONS[-1], SUSTAINED_SECONDS)
            for name in (UNMONITORED, MONITORED)
        )
        time.sleep(0.5)
        left.append(waiting_records(arms[MONITORED]) / monitored.rate)
        rates.append(monitored.rate / unmonitored.rate)
        p99.append(monitored.p99 / unmonitored.p99)
        per_second.append(monitored.rate)
    return {
        "sustained_monitored_over_unmonitored": round(statistics.median(rates), 3),
        "sustained_p99_monitored_over_unmonitored": round(statistics.median(p99), 3),
        "sustained_requests_per_second": round(statistics.median(per_second), 1),
        "sustained_seconds_left_to_deliver": round(statistics.median(left), 2),
    }


def ratios(found: dict[str, list[Measured]], connections: int) -> dict[str, float]:
    """Return the ratios and the medians of one number of connections, and print them."""
    of = f"{connections}_connections"

    def of_rounds(one: str, other: str, field: str) -> list[float]:
        pairs = zip(found[one], found[other], strict=True)
        return [getattr(a, field) / getattr(b, field) for a, b in pairs]

    def ratio(one: str, other: str, field: str) -> float:
        return round(statistics.median(of_rounds(one, other, field)), 3)

    lower, _, upper = statistics.quantiles(of_rounds(MONITORED, UNMONITORED, "rate"), n=4)
    figures = {
        f"monitored_over_unmonitored_{of}": ratio(MONITORED, UNMONITORED, "rate"),
        f"monitored_over_unmonitored_lower_quartile_{of}": round(lower, 3),
        f"monitored_over_unmonitored_upper_quartile_{of}": round(upper, 3),
        f"monitored_over_constant_{of}": ratio(MONITORED, CONSTANT, "rate"),
        f"p99_monitored_over_unmonitored_{of}": ratio(MONITORED, UNMONITORED, "p99"),
    }
    table = Table("arm", f"requests/s, {connections} connections", "p99 ms")
    for name, rounds in found.items():
        rate = statistics.median(one.rate for one in rounds)
        p99 = statistics.median(one.p99 for one in rounds)
        figures[f"{name}_requests_per_second_{of}"] = round(rate, 1)
        figures[f"{name}_p99_ms_{of}"] = round(p99, 2)
        table.add_row(name, f"{rate:.0f}", f"{p99:.2f}")
    Console().print(table)
    return figures


def write(figures: dict[str, float]) -> None:
    """Print the ratios and write the result file."""
    Console().print({name: value for name, value in figures.items() if "_ms_" not in name})
    libraries = ("flask", "gunicorn", "onnxruntime", "pymongo", "msgspec")
    versions = {name: importlib.metadata.version(name) for name in libraries}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(
        json.dumps(
            {"figures": figures, "command": "make bench-predict",
             "versions": {"python": platform.python_version(), **versions}},
            indent=1,
        ) + "\n"
    )  # fmt: skip


if __name__ == "__main__":
    main()
