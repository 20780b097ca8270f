"""Checks of `helm test`: a row through the active Service and to the log, metrics, operator."""

import http.client
import json
import os
import re
import socket
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECONDS = 10
#: Tokens of callers, where the predictor asks for one.
CALLERS = Path("/etc/taxi/callers")
#: Seconds after each try: pods may be rolling right now.
PAUSES = (1, 2, 4, 0)
#: A predictor that is busy delivers 10 s later, and one that has just started up to 20 s.
LOG_PAUSES = (1, 2, 4, 8, 8, 8, 0)
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LOGGED = re.compile(
    r'^taxi_predictor_logged_records_total\{destination="mongodb"\} ([0-9.e+]+)$', re.MULTILINE
)


def fetch(url: str, body: object = None) -> str:
    """Return the body of an answer with status 200."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **rights()}
    request = urllib.request.Request(url, data, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - our Services
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        raise OSError(f"{error} {error.read()[:300]!r}") from error


def rights(folder: Path = CALLERS) -> dict[str, str]:
    """Return the header with the first token of the first caller; none without tokens."""
    files = sorted(folder.glob("[!.]*"))
    return {"Authorization": f"Bearer {files[0].read_text().split()[0]}"} if files else {}


def check_prediction(active: str) -> str:
    """Predict the example of the model's schema through the Service that clients use."""
    schemas = json.loads(fetch(f"{active}/openapi.json"))["components"]["schemas"]
    (row,) = schemas["Row"]["examples"]
    answer = json.loads(fetch(f"{active}/predict", row))
    missing = set(schemas["Answer"]["required"]) - set(answer)
    if missing:
        raise ValueError(f"the answer has no {', '.join(sorted(missing))}: {answer}")
    return json.dumps(answer)


def check_metrics(base: str, name: str) -> str:
    """Look for a metric on a part's page."""
    if name not in fetch(f"{base}/metrics"):
        raise ValueError(f"{base}/metrics does not have {name}")
    return f"{name} is there"


def pods_of(base: str) -> list[str]:
    """Return the addresses of all pods behind a headless Service: its name leads to any one."""
    url = urllib.parse.urlsplit(base)
    found = socket.getaddrinfo(url.hostname, url.port, type=socket.SOCK_STREAM)
    hosts = sorted({str(address[0]) for *_, address in found})
    return [f"{url.scheme}://{f'[{host}]' if ':' in host else host}:{url.port}" for host in hosts]


class Log:
    """The log as the predictors' pods see it: how many of their rows it took."""

    def __init__(self, *services: str) -> None:
        self._services = services
        self._rows: dict[str, float] = {}

    def look(self) -> float:
        """Return how many rows the log took of the pods since each was asked last.

        Of a pod that is new, or whose count began anew, rows are counted from now on: what it has
        may be older than this test.
        """
        more = 0.0
        for pod, rows in self._counts().items():
            more += max(0.0, rows - self._rows.get(pod, rows))
            self._rows[pod] = rows
        return more

    def check(self, active: str) -> str:
        """Look for a row that reached the log since the first look; send another where none did."""
        if more := self.look():
            return f"it took {more:g} rows since this test began"
        # The row before may have met a pod that nobody had looked at yet.
        check_prediction(active)
        raise ValueError(
            "no pod says that the log took a row since this test began; see the predictors' own log"
        )

    def _counts(self) -> dict[str, float]:
        """Return the rows by pod, without pods that do not answer: they may be going."""
        pods = []
        for service in self._services:
            try:
                pods += pods_of(service)
            except OSError as error:
                print(f"        {service} has no pod: {error}")
        # A pod that is gone may take the whole time-out, and its name stays for half a minute.
        with ThreadPoolExecutor(8) as pool:
            return {
                pod: rows
                for pod, rows in zip(pods, pool.map(logged, pods), strict=True)
                if rows is not None
            }


def logged(pod: str) -> float | None:
    """Return how many of a pod's rows the log took since it started; None without an answer."""
    try:
        found = LOGGED.search(fetch(f"{pod}/metrics"))
    except (OSError, http.client.HTTPException) as error:
        print(f"        {pod} does not answer: {error}")
        return None
    return float(found[1]) if found else 0.0


def check_policies(_: str) -> str:
    """Ask the API server for the kind of policies, as any of its users may."""
    told = os.environ  # noqa: TID251 - a script of one pod
    host, port = told["KUBERNETES_SERVICE_HOST"], told["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    url = f"https://{host}:{port}/apis/taxi-monitoring.io/v1alpha1"
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text().strip()}"}
    trust = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=SECONDS, context=trust) as answer:  # noqa: S310 - the API server
        names = [one["name"] for one in json.loads(answer.read())["resources"]]
    if "driftpolicies" not in names:
        raise ValueError(f"the cluster knows no DriftPolicy (crds.install), only {names}")
    return "DriftPolicy is known"


def check_ready(base: str) -> str:
    """Ask a part whether it is ready."""
    fetch(f"{base}/readyz")
    return "ready"


def attempt(
    name: str, check: object, *arguments: str, pauses: tuple[float, ...] | None = None
) -> bool:
    """Run a check a few times, with `PAUSES` seconds between unless others are given."""
    problem = ""
    for pause in PAUSES if pauses is None else pauses:
        try:
            print(f"ok      {name}: {check(*arguments)}")  # type: ignore[operator]
        except (OSError, ValueError, http.client.HTTPException) as error:
            problem = str(error)
        else:
            return True
        time.sleep(pause)
    print(f"FAILED  {name} ({arguments[0]}): {problem}")
    return False


def main(active: str, predictor: str, fallback: str, monitor: str, *more: str) -> int:
    """Run all checks, also `log` and those of the operator (its address); 0 when all went well."""
    log = Log(predictor, fallback)
    if "log" in more:
        log.look()
    results = [
        attempt("prediction", check_prediction, active),
        attempt("predictor metrics", check_metrics, predictor, "taxi_predictor_predictions_total"),
        attempt("monitor", check_ready, monitor),
        attempt("monitor metrics", check_metrics, monitor, "taxi_monitor_"),
    ]
    if "log" in more:
        results.append(attempt("log", log.check, active, pauses=LOG_PAUSES))
    for operator in set(more) - {"log"}:
        results.append(attempt("operator", check_metrics, operator, "taxi_operator_"))
        results.append(attempt("policies", check_policies, operator))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
