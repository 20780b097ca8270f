"""Makes the Secrets of a release in the cluster, where they are missing; runs as a Job.

Rendered ones would be new with each `helm template`, and would stand in every release's history.
Argument: a JSON list of Secrets, each with `name`, `labels`, `annotations`, `random` (keys that get
a random value once), `before` (key: the key that older releases had it under) and `data` (texts;
`{key}` is a random value, quoted for a URL).
"""

import base64
import json
import os
import secrets
import ssl
import string
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SECONDS = 10
#: Seconds after each try: the rights may be younger than the pod.
PAUSES = (1, 2, 4, 8, 0)
LENGTH = 32
ALPHABET = string.ascii_letters + string.digits

#: Method, path below the Secrets, body; returns the answer, None for 404.
Call = Callable[[str, str, Mapping[str, Any] | None], Any]


def api(host: str, port: str, namespace: str, account: Path = ACCOUNT) -> Call:
    """Return calls of the API server about the Secrets of a namespace."""
    host = f"[{host}]" if ":" in host else host
    base = f"https://{host}:{port}/api/v1/namespaces/{namespace}/secrets"
    trust = ssl.create_default_context(cafile=str(account / "ca.crt"))

    def call(method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        kind = "merge-patch+json" if method == "PATCH" else "json"
        headers = {
            "Authorization": f"Bearer {(account / 'token').read_text().strip()}",
            "Content-Type": f"application/{kind}",
        }
        request = urllib.request.Request(base + path, data, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=SECONDS, context=trust) as answer:  # noqa: S310
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    return call


def ensure(call: Call, wanted: Mapping[str, Any]) -> str:
    """Make a Secret or complete it; what is random stays. Return what was done."""
    name = wanted["name"]
    found = call("GET", f"/{name}", None)
    has = {
        key: base64.b64decode(value).decode()
        for key, value in ((found or {}).get("data") or {}).items()
    }
    values = {
        key: has.get(key) or has.get(wanted.get("before", {}).get(key, "")) or random_text()
        for key in wanted["random"]
    }
    quoted = {key: urllib.parse.quote(value, safe="") for key, value in values.items()}
    data = {**{key: text.format(**quoted) for key, text in wanted["data"].items()}, **values}
    missing = {key: value for key, value in data.items() if has.get(key) != value}
    if found is None:
        metadata = {key: wanted[key] for key in ("name", "labels", "annotations")}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque"}
        call("POST", "", {**secret, "stringData": data})
        return f"{name}: made"
    if missing:
        call("PATCH", f"/{name}", {"stringData": missing})
        return f"{name}: {', '.join(sorted(missing))} set"
    return f"{name}: is there"


def random_text() -> str:
    """Return a new password or token."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def main(text: str) -> int:
    """Make all Secrets of the list; 0 when they are there."""
    told = os.environ  # noqa: TID251 - a script of one pod
    call = api(
        told["KUBERNETES_SERVICE_HOST"],
        told["KUBERNETES_SERVICE_PORT"],
        (ACCOUNT / "namespace").read_text().strip(),
    )
    for wanted in json.loads(text):
        for pause in PAUSES:
            try:
                print(ensure(call, wanted), flush=True)
                break
            except OSError as error:  # HTTPError and URLError are
                print(f"{wanted['name']}: {error}; is tried again", flush=True)
                time.sleep(pause)
        else:
            print(f"{wanted['name']}: cannot be made; see the Role of this Job", flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
