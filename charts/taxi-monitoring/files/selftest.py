"""Checks of `helm test`: one row through the active Service, the metrics, the monitor."""

import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

SECONDS = 10
#: Tokens of callers, where the predictor asks for one.
CALLERS = Path("/etc/taxi/callers")
#: Seconds after each try: pods may be rolling right now.
PAUSES = (1, 2, 4, 0)


def fetch(url: str, body: object = None) -> str:
    """Return the body of an answer with status 200."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **rights()}
    request = urllib.request.Request(url, data, headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - our Services
        return str(answer.read().decode())


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


def check_ready(base: str) -> str:
    """Ask a part whether it is ready."""
    fetch(f"{base}/readyz")
    return "ready"


def attempt(name: str, check: object, *arguments: str) -> bool:
    """Run a check a few times."""
    problem = ""
    for pause in PAUSES:
        try:
            print(f"ok      {name}: {check(*arguments)}")  # type: ignore[operator]
        except urllib.error.HTTPError as error:
            problem = f"{error} {error.read()[:300]!r}"
        except (OSError, ValueError) as error:
            problem = str(error)
        else:
            return True
        time.sleep(pause)
    print(f"FAILED  {name} ({arguments[0]}): {problem}")
    return False


def main(active: str, predictor: str, monitor: str) -> int:
    """Run all checks; 0 when all went well."""
    results = [
        attempt("prediction", check_prediction, active),
        attempt("predictor metrics", check_metrics, predictor, "taxi_predictor_predictions_total"),
        attempt("monitor", check_ready, monitor),
        attempt("monitor metrics", check_metrics, monitor, "taxi_monitor_"),
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
