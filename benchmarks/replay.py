"""How long `taxi-policy replay` takes for 30 days of 30-second samples with three signals.

A real Prometheus on loopback has the history: two signals that walk around their thresholds with
holes, one that is quiet, the age of the evaluation and the number of rows. The command is
measured as a user runs it, with its questions to Prometheus, and the fold alone in this process.
Usage: python benchmarks/replay.py
"""

import argparse
import asyncio
import json
import math
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from rich.console import Console  # noqa: E402 - found by the path above
from rich.table import Table  # noqa: E402
from support.control_plane import Server  # noqa: E402

from taxi_cluster import go_tools  # noqa: E402
from taxi_local.ports import free_port  # noqa: E402
from taxi_operator.cli.connections import Asked, prometheus_of  # noqa: E402
from taxi_operator.replay.fold import Fold  # noqa: E402
from taxi_operator.replay.grid import Looks  # noqa: E402
from taxi_operator.replay.history import Histories, fetch  # noqa: E402
from taxi_operator.replay.story import told  # noqa: E402
from taxi_operator.replay.world import Assumed  # noqa: E402
from taxi_operator.spec.policy import policy_of  # noqa: E402
from taxi_operator.times import text_of  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "replay.json"
DAYS, STEP, ROUNDS, GOAL_SECONDS = 30, 30, 3, 10.0


def _signal(name: str, enter: str, leave: str) -> dict[str, Any]:
    return {
        "name": name, "promql": f"max({name})", "freshnessPromql": "max(age)",
        "enter": {"op": "GreaterOrEqual", "value": "1", "for": enter},
        "exit": {"op": "Less", "value": "0.8", "for": leave},
        "minSamples": {"promql": "max(rows)", "value": 500},
    }  # fmt: skip


SPEC: dict[str, Any] = {
    "target": {"deploymentName": "champion", "activeServiceName": "active"},
    "signals": [
        _signal("inputs", "15m", "30m"), _signal("error", "15m", "30m"),
        _signal("critical", "2m", "10m"),
    ],
    "rules": {
        "retrain": {"anyOf": [{"allOf": ["inputs"]}, {"allOf": ["error"]}]},
        "fallback": {"anyOf": [{"allOf": ["critical"]}]},
    },
    "retrain": {"jobFrom": {"cronJobName": "train"}},
    "fallback": {"deploymentName": "fallback", "minDwell": "10m"},
}  # fmt: skip


def values(chance: random.Random) -> Iterator[dict[str, float]]:
    """Yield the values of all metrics, one step after the other."""
    level = {"inputs": 0.8, "error": 0.6, "critical": 0.6}
    for number in range(DAYS * 86_400 // STEP + 1):
        daily = 0.25 * math.sin(number * STEP / 86_400 * 2 * math.pi)
        for name in level:
            pull = 0.0005 * (0.7 - level[name])
            level[name] += chance.uniform(-0.01, 0.01) + pull
        shown = {name: round(one + daily, 4) for name, one in level.items()}
        if chance.random() < 0.01:
            del shown[chance.choice(list(shown))]
        yield {**shown, "age": chance.uniform(5, 40), "rows": 4000.0}


def write_history(path: Path, end: int) -> int:
    """Write the history as OpenMetrics; return its samples."""
    begin = end - DAYS * 86_400
    lines: dict[str, list[str]] = {}
    for number, row in enumerate(values(random.Random(7))):
        for name, value in row.items():
            lines.setdefault(name, []).append(f"{name} {value} {begin + number * STEP}")
    with path.open("w") as file:
        for name, samples in lines.items():
            file.write(f"# TYPE {name} gauge\n" + "\n".join(samples) + "\n")
        file.write("# EOF\n")
    return sum(map(len, lines.values()))


@contextmanager
def prometheus_with(folder: Path, end: int) -> Iterator[tuple[str, int]]:
    """Run a Prometheus that has the history; yield its address and how many samples it has."""
    given = os.environ.get("TAXI_GO_TOOLS")
    tools = Path(given) if given else go_tools.ensure(("prometheus", "promtool"))
    count = write_history(folder / "history.txt", end)
    subprocess.run(
        [tools / "promtool", "tsdb", "create-blocks-from", "openmetrics",
         "--max-block-duration=768h", folder / "history.txt", folder / "data"],
        check=True, timeout=600, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    (folder / "prometheus.yml").write_text("{}")
    url = f"http://127.0.0.1:{free_port()}"
    server = Server(
        folder / "prometheus.log", url, str(tools / "prometheus"),
        f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=90d", f"--web.listen-address={url[7:]}",
    )  # fmt: skip
    server.start("/-/ready")
    try:
        yield url, count
    finally:
        server.kill()


def command(policy: Path, url: str, begin: int, end: int) -> dict[str, Any]:
    """Run the command; return its figures and what it found."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "taxi_operator.cli.main", "replay", policy, "--prometheus", url,
         "--from", str(text_of(begin)), "--to", str(text_of(end)), "-o", "json"],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)}, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    found = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return {
        "seconds": round(time.monotonic() - started, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss / 1024, 1),
        "summary": found["summary"],
    }


async def _fetched(url: str, looks: Looks) -> Histories:
    async with prometheus_of(Asked(url, timeout_seconds=30.0)) as prometheus:
        return await fetch(prometheus, policy_of(SPEC).signals, looks)


def parts(url: str, begin: int) -> dict[str, float]:
    """Return the seconds of both parts of a replay, in this process."""
    looks = Looks(begin * 1000, STEP * 1000, DAYS * 86_400 // STEP + 1)
    started = time.monotonic()
    histories = asyncio.run(_fetched(url, looks))
    asked = time.monotonic()
    story = told(Fold(policy_of(SPEC), looks, histories, Assumed()), STEP)
    assert story.looks == looks.count
    return {
        "asking_seconds": round(asked - started, 2),
        "fold_seconds": round(time.monotonic() - asked, 2),
    }


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="not used")
    parser.parse_args()
    load = os.getloadavg()[0]
    end = int(time.time()) // STEP * STEP - 3600
    begin = end - DAYS * 86_400
    with tempfile.TemporaryDirectory() as name, prometheus_with(Path(name), end) as (url, samples):
        policy = Path(name) / "policy.json"
        metadata = {"name": "replayed"}
        policy.write_text(json.dumps({"kind": "DriftPolicy", "metadata": metadata, "spec": SPEC}))
        runs = [command(policy, url, begin, end) for _ in range(ROUNDS)]
        alone = parts(url, begin)
    result = {
        "machine": {
            "processors": len(os.sched_getaffinity(0)), "platform": platform.platform(),
            "load_at_begin": round(load, 2),
        },
        "days": DAYS, "signals": len(SPEC["signals"]), "looks": runs[0]["summary"]["looks"],
        "samples": samples, "goal_seconds": GOAL_SECONDS,
        "seconds": statistics.median(one["seconds"] for one in runs),
        "cpu_seconds": statistics.median(one["cpu_seconds"] for one in runs),
        "peak_mib": max(one["peak_mib"] for one in runs),
        "microseconds_a_look": round(alone["fold_seconds"] / runs[0]["summary"]["looks"] * 1e6, 1),
        **alone,
        "summary": runs[0]["summary"],
    }  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    table = Table("what", "value")
    for word in ("looks", "samples", "seconds", "asking_seconds", "fold_seconds", "peak_mib"):
        table.add_row(word, str(result[word]))
    Console().print(table)
    if result["seconds"] > GOAL_SECONDS:
        sys.exit(f"replay: {result['seconds']} s, the goal is {GOAL_SECONDS} s")


if __name__ == "__main__":
    main()
