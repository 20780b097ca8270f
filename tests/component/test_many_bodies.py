"""A thousand slow batches of two megabytes at once: `make soak-bodies`."""

import asyncio
import json
import platform
import random
import re
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from support.predictor import PLAIN, Predictor, register, small_artifact
from support.servers import children

from taxi_domain.models import Alias
from taxi_local.mongod import Mongod

pytestmark = [pytest.mark.component, pytest.mark.soak]

CONNECTIONS = 1000
BODY_BYTES = 2_000_000
PIECE = b" " * 65_536
#: The chart gives a predictor's pod 512 MiB.
MAX_MIB = 400
MAX_P99_SECONDS = 1.0
RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "soak_bodies.json"


async def slow_batch(port: int, wait: float) -> str:
    """Send a batch but for its end, piece by piece, and return how it ended."""
    await asyncio.sleep(wait)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /predict/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % (BODY_BYTES + 1)
        )
        for _ in range(BODY_BYTES // len(PIECE)):
            writer.write(PIECE)
            await writer.drain()
            await asyncio.sleep(random.uniform(0, 0.2))
        async with asyncio.timeout(60):
            line = await reader.readline()
        writer.close()
    except (OSError, TimeoutError) as error:
        return type(error).__name__
    return line.split(b" ")[1].decode() if line else "closed"


def all_of(port: int, ends: Counter[str]) -> None:
    """Send all batches, most of them within the first seconds."""

    async def send() -> list[str]:
        return await asyncio.gather(
            *(slow_batch(port, random.uniform(0, 5)) for _ in range(CONNECTIONS))
        )

    ends.update(asyncio.run(send()))


def memory_mib(pid: int) -> tuple[float, float]:
    """Return the memory of a pod's processes together, and that of the largest one (RSS)."""
    together, largest = 0, 0
    for one in (pid, *children(pid)):
        text = Path(f"/proc/{one}/smaps_rollup").read_text()
        found = {
            name: int(kib) for name, kib in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)
        }
        together += found["Pss"]
        largest = max(largest, found["Rss"])
    return together / 1024, largest / 1024


def test_a_predictor_stands_them(mongod: Mongod, tmp_path: Path) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    predictor = Predictor(tmp_path, mongod.uri, TAXI_PREDICT_WORKERS="2").start()
    try:
        before, workers = memory_mib(predictor.pid), children(predictor.pid)
        ends: Counter[str] = Counter()
        sender = threading.Thread(target=all_of, args=(predictor.port, ends))
        took, most = [], [before]
        sender.start()
        while sender.is_alive():
            begin = time.monotonic()
            assert httpx.post(f"{predictor.url}/predict", json=PLAIN, timeout=15).status_code == 200
            took.append(time.monotonic() - begin)
            most.append(memory_mib(predictor.pid))
            time.sleep(0.02)
        sender.join()
        after = children(predictor.pid)
        printed = predictor.printed()
    finally:
        predictor.stop()

    p99 = sorted(took)[len(took) * 99 // 100]
    together, largest = (max(one[at] for one in most) for at in (0, 1))
    save(
        {
            "connections": CONNECTIONS, "body_bytes": BODY_BYTES, "ends": dict(ends.most_common()),
            "good_requests": len(took), "good_p50_ms": 1000 * sorted(took)[len(took) // 2],
            "good_p99_ms": 1000 * p99, "good_longest_ms": 1000 * max(took),
            "pod_before_mib": before[0], "pod_most_mib": together, "largest_rss_mib": largest,
        }
    )  # fmt: skip
    assert ends["503"]
    assert ends.total() == CONNECTIONS
    assert after == workers
    assert "Traceback" not in printed
    assert together < MAX_MIB
    assert p99 < MAX_P99_SECONDS


def save(figures: dict[str, object]) -> None:
    """Write the result."""
    rounded = {
        name: round(value, 1) if isinstance(value, float) else value
        for name, value in figures.items()
    }
    RESULT.write_text(
        json.dumps(
            {"figures": rounded, "command": "make soak-bodies",
             "versions": {"python": platform.python_version()}},
            indent=1,
        ) + "\n"
    )  # fmt: skip
