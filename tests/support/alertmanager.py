"""A real Alertmanager, configured as prometheus-operator does it for a namespace."""

import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from support.chart import CHART
from support.control_plane import Server
from taxi_cluster import alertmanager
from taxi_local.ports import free_port

Document = dict[str, Any]
_DOCUMENT = CHART.parents[1] / "docs" / "alerting.md"
#: The words of an AlertmanagerConfig, and Alertmanager's own.
_ROUTE = {
    "receiver": "receiver", "groupBy": "group_by", "groupWait": "group_wait",
    "groupInterval": "group_interval", "repeatInterval": "repeat_interval",
}  # fmt: skip


class Receivers:
    """Takes what Alertmanager sends, by the receiver's name."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Document]] = []
        receivers = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receivers.taken.append((self.path.removeprefix("/"), json.loads(body)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def heard(self, receiver: str) -> set[str]:
        """Return the names of the firing alerts that a receiver was told of."""
        return {
            alert["labels"]["alertname"]
            for name, body in self.taken if name == receiver
            for alert in body["alerts"] if alert["status"] == "firing"
        }  # fmt: skip

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()


def documented_config(namespace: str) -> Document:
    """Return the AlertmanagerConfig of docs/alerting.md, for a namespace."""
    (text,) = re.findall(r"```yaml\n(apiVersion.*?)```", _DOCUMENT.read_text(), re.DOTALL)
    config: Document = yaml.safe_load(text)
    config["metadata"]["namespace"] = namespace
    return config


def configuration(configs: list[Document], receivers: Receivers) -> Document:
    """Return Alertmanager's configuration of AlertmanagerConfigs, each for its namespace alone.

    Receivers are those of the test, and nothing waits for longer than some seconds.
    """
    routes, names, inhibitions = [], ["nobody"], []
    for config in configs:
        spec, namespace = config["spec"], config["metadata"]["namespace"]
        place = f'namespace="{namespace}"'
        prefix = f"{namespace}-"
        route = _route(spec["route"], prefix)
        route["matchers"] = [place]
        route["continue"] = True
        routes.append(route)
        names += [prefix + one["name"] for one in spec["receivers"]]
        inhibitions += [
            {
                "source_matchers": [*map(_matcher, one["sourceMatch"]), place],
                "target_matchers": [*map(_matcher, one["targetMatch"]), place],
                "equal": one["equal"],
            }
            for one in spec["inhibitRules"]
        ]
    return {
        "route": {"receiver": "nobody", "routes": routes},
        "receivers": [
            {"name": name, "webhook_configs": [{"url": f"{receivers.url}/{name}"}]}
            for name in names
        ],
        "inhibit_rules": inhibitions,
    }


def _matcher(one: Mapping[str, str]) -> str:
    return f'{one["name"]}{one["matchType"]}"{one["value"]}"'


def _route(given: Mapping[str, Any], prefix: str) -> Document:
    route = {own: given[word] for word, own in _ROUTE.items() if word in given}
    route["receiver"] = prefix + route["receiver"]
    # An alert that inhibits others is known to them a moment later than to its group: a group that
    # tells at that moment tells of all, once and for all.
    short = {"group_wait": "1s", "group_interval": "4s"}
    route |= {word: short[word] for word in short if word in route}
    if "matchers" in given:
        route["matchers"] = list(map(_matcher, given["matchers"]))
    if "routes" in given:
        route["routes"] = [_route(one, prefix) for one in given["routes"]]
    return route


@contextmanager
def running_alertmanager(folder: Path, config: Document) -> Iterator[Server]:
    """Run an Alertmanager by a configuration."""
    path = folder / "alertmanager.yml"
    path.write_text(json.dumps(config))
    url = f"http://127.0.0.1:{free_port()}"
    server = Server(
        folder / "alertmanager.log", url,
        os.environ.get("TAXI_ALERTMANAGER") or str(alertmanager.ensure()),
        f"--config.file={path}", f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={url[7:]}", "--cluster.listen-address=",
    )  # fmt: skip
    server.start("/-/ready")
    try:
        yield server
    finally:
        server.kill()
