"""Calls of API server and Prometheus, as the servers count them."""

import re
from collections import Counter
from collections.abc import Mapping

import httpx
from support.control_plane import ADMIN, ControlPlane

#: What an operator asks for; the API server itself asks for other things.
_RESOURCES = {
    "driftpolicies", "services", "deployments", "jobs", "cronjobs", "pods", "endpointslices",
    "events",
}  # fmt: skip
_LINE = re.compile(r"(\w+)\{(.*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Calls:
    """Counts what the servers were asked.

    Args:
        plane: The control plane.
        prometheus: Address of the Prometheus.
    """

    def __init__(self, plane: ControlPlane, prometheus: str) -> None:
        self._plane = plane
        self._prometheus = prometheus

    def counted(self) -> Counter[str]:
        """Return how often each thing was asked for so far."""
        found: Counter[str] = Counter()
        api = f"{self._plane.api_server.url}/metrics"
        for name, labels, value in _lines(api, {"Authorization": f"Bearer {ADMIN}"}):
            if name == "apiserver_request_total" and labels["resource"] in _RESOURCES:
                part = f"/{labels['subresource']}" if labels["subresource"] else ""
                found[f"{labels['verb']} {labels['resource']}{part}"] += int(value)
        for name, labels, value in _lines(f"{self._prometheus}/metrics", {}):
            if name == "prometheus_http_requests_total":
                query = labels["handler"].removeprefix("/api/v1/")
                if query in {"query", "query_range"}:
                    found[f"prometheus {query}"] += int(value)
        return found


def _lines(
    url: str, headers: Mapping[str, str]
) -> list[tuple[str, dict[str, str], float]]:  # fmt: skip
    page = httpx.get(url, headers=dict(headers), verify=False, timeout=30).text
    found = []
    for line in page.splitlines():
        if line.startswith(("apiserver_request_total", "prometheus_http_requests_total")):
            match = _LINE.match(line)
            assert match is not None, line
            labels = dict(_LABEL.findall(match[2]))
            found.append((match[1], labels, float(match[3])))
    return found
