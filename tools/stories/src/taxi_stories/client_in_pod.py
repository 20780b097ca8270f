"""Run in a pod: sends rides at a rate until SIGTERM, then prints what it saw.

Arguments: address of the route, requests a second, and `tell` for a line each second meanwhile.
"""

import json
import signal
import sys
import threading
import time
import uuid

import httpx

RIDE = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}
THREADS = 10


def main() -> None:
    """Send with a few clients that keep their connections."""
    url, rate = sys.argv[1], float(sys.argv[2])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    answered: list[str] = []
    failures: list[str] = []
    slowest = [0.0]

    def send() -> None:
        client = httpx.Client(timeout=10)
        due = time.monotonic()
        while not stop.is_set():
            due += THREADS / rate
            ride_id = uuid.uuid4().hex
            begin = time.monotonic()
            try:
                answer = client.post(url, json={**RIDE, "ride_id": ride_id})
            except httpx.HTTPError as error:
                failures.append(repr(error)[:200])
            else:
                if answer.status_code == 200:
                    answered.append(f"{ride_id} {answer.json()['model_version']}")
                else:
                    failures.append(f"{answer.status_code} {answer.text[:200]}")
            slowest[0] = max(slowest[0], time.monotonic() - begin)
            stop.wait(max(due - time.monotonic(), 0))

    threads = [threading.Thread(target=send) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    print("sending", flush=True)
    if sys.argv[3:] == ["tell"]:
        told = 0
        while not stop.wait(1.0):
            lately = answered[told:]
            told += len(lately)
            versions = sorted({one.split()[1] for one in lately})
            print(json.dumps(
                {"answered": told, "failed": len(failures), "failures": failures[:3],
                 "versions": versions}
            ), flush=True)  # fmt: skip
    stop.wait()
    for thread in threads:
        thread.join()
    # One short line each: the container's log cuts long ones.
    print(json.dumps({"failed": len(failures), "failures": failures[:20], "slowest": slowest[0]}))
    print("\n".join(answered), flush=True)


if __name__ == "__main__":
    main()
