"""Run in a pod: sends a row again and again until SIGTERM, then prints what it saw.

Arguments: address of the route, requests a second, the row (JSON), the name of its id, which is new
each time, and `tell` for a line each second meanwhile and a new connection for each request: a kept
one stays with its pod when the Service selects others.
"""

import json
import signal
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

THREADS = 10


@dataclass
class Clients:
    """A few clients, and what they were answered.

    Attributes:
        url: Address of the route.
        rate: Requests a second of all together.
        row: What is sent, but for its id.
        key: Name of the id.
        keeps: They keep their connections.
    """

    url: str
    rate: float
    row: Mapping[str, object]
    key: str
    keeps: bool = True
    stop: threading.Event = field(default_factory=threading.Event)
    #: Id and version of each.
    answered: list[tuple[str, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def send(self) -> None:
        """Send with one client until `stop` is set."""
        limits = httpx.Limits(max_keepalive_connections=None if self.keeps else 0)
        client = httpx.Client(timeout=10, limits=limits)
        due = time.monotonic()
        while not self.stop.is_set():
            due += THREADS / self.rate
            begin = time.monotonic()
            self.ask(client, uuid.uuid4().hex)
            self.slowest = max(self.slowest, time.monotonic() - begin)
            self.stop.wait(max(due - time.monotonic(), 0))

    def ask(self, client: httpx.Client, row_id: str) -> None:
        """Send the row with an id."""
        try:
            answer = client.post(self.url, json={**self.row, self.key: row_id})
        except httpx.HTTPError as error:
            self.failures.append(repr(error)[:200])
            return
        if answer.status_code == 200:
            self.answered.append((row_id, answer.json()["model_version"]))
        else:
            self.failures.append(f"{answer.status_code} {answer.text[:200]}")

    def tell(self) -> None:
        """Print each second what was counted; the versions are those of its answers."""
        told = 0
        while not self.stop.wait(1.0):
            lately = self.answered[told:]
            told += len(lately)
            _print(answered=told, failed=len(self.failures), failures=self.failures[:3],
                   versions=sorted({version for _, version in lately}))  # fmt: skip


def main() -> None:
    """Send, and print at the end."""
    url, rate, row, key, *more = sys.argv[1:]
    tells = more == ["tell"]
    load = Clients(url, float(rate), json.loads(row), key, keeps=not tells)
    signal.signal(signal.SIGTERM, lambda *_: load.stop.set())
    threads = [threading.Thread(target=load.send) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    print("sending", flush=True)
    if tells:
        load.tell()
    load.stop.wait()
    for thread in threads:
        thread.join()
    _print(failed=len(load.failures), failures=load.failures[:20], slowest=load.slowest)
    # One short line each: the container's log cuts long ones.
    print("\n".join(f"{row_id} {version}" for row_id, version in load.answered), flush=True)


def _print(**found: object) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
