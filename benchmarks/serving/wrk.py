"""wrk, the load generator: one thread, connections that are kept, the same body again and again."""

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
#: What delays the measurement is no delay of the answers.
_PRIORITY = ("chrt", "-f", "10")


@dataclass(frozen=True)
class Load:
    """What wrk sends.

    Attributes:
        connections: Open at the same time, each with one request at a time.
        seconds: How long.
    """

    connections: int = 8
    seconds: int = 1


@dataclass(frozen=True)
class Answers:
    """What wrk saw: answers a second, their 99th percentile in milliseconds, their number."""

    rate: float
    p99: float
    count: int


def require_wrk() -> None:
    """End the benchmark when wrk is not there."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed; install it (Debian: apt-get install wrk)")


def wrk(url: str, body: object, load: Load) -> Answers:
    """Post a body for some time; every answer must be 200."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            f'wrk.method = "POST"\nwrk.body = [=[{json.dumps(body)}]=]\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
        )
        script.flush()
        printed = subprocess.run(
            [*_PRIORITY, "wrk", "-t", "1", "-c", str(load.connections), "-d", f"{load.seconds}s",
             "--latency", "--timeout", "10s", "-s", script.name, url],
            capture_output=True, text=True, timeout=load.seconds + 60, check=True,
        ).stdout  # fmt: skip
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise SystemExit(f"some requests to {url} failed:\n{printed}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", printed)
    count = re.search(r"(\d+) requests in", printed)
    if rate is None or p99 is None or count is None:
        raise SystemExit(f"wrk printed something else:\n{printed}")
    return Answers(float(rate[1]), float(p99[1]) * UNITS[p99[2]], int(count[1]))
