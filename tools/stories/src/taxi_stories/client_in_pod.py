"""Run in a pod: sends rides at a rate until SIGTERM, then prints what it saw.

Arguments: address of the route, requests a second, and `tell` for a line each second meanwhile and
a new connection for each request: a kept one stays with its pod when the Service selects others.
"""

import json
import signal
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field

import httpx

RIDE = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}
THREADS = 10


@dataclass
class Load:
    """A few clients, and what they were answered.

    Attributes:
        url: Address of the route.
        rate: Requests a second of all together.
        keeps: They keep their connections.
    """

    url: str
    rate: float
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

    def ask(self, client: httpx.Client, ride_id: str) -> None:
        """Send one ride."""
        try:
            answer = client.post(self.url, json={**RIDE, "ride_id": ride_id})
        except httpx.HTTPError as error:
            self.failures.append(repr(error)[:200])
            return
        if answer.status_code == 200:
            self.answered.append((ride_id, answer.json()["model_version"]))
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
    tells = sys.argv[3:] == ["tell"]
    load = Load(sys.argv[1], float(sys.argv[2]), keeps=not tells)
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
    print("\n".join(f"{ride_id} {version}" for ride_id, version in load.answered), flush=True)


def _print(**found: object) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
