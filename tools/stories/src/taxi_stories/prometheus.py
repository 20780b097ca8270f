"""Instant queries to the cluster's Prometheus."""

from typing import Any

import httpx

from taxi_domain.errors import NotAvailableError
from taxi_stories.forwards import Forward, patient_get

_TIMEOUT_SECONDS = 30.0


class Prometheus:
    """Asks Prometheus through a forwarded port."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward

    def query(self, promql: str) -> list[tuple[dict[str, str], float]]:
        """Return the labels and the value of every series of an instant vector.

        Raises:
            NotAvailableError: Prometheus does not answer or refuses the query.
        """
        answer = self._get("query", query=promql)
        if answer["resultType"] != "vector":
            raise NotAvailableError(f"Prometheus: {promql} is no instant vector")
        return [(series["metric"], float(series["value"][1])) for series in answer["result"]]

    def value(self, promql: str) -> float | None:
        """Return the value of the only series, None when there is none."""
        series = self.query(promql)
        if len(series) > 1:
            raise NotAvailableError(f"Prometheus: {promql} has {len(series)} series, not one")
        return series[0][1] if series else None

    def targets(self) -> list[dict[str, Any]]:
        """Return the active scrape targets."""
        found: list[dict[str, Any]] = self._get("targets", state="active")["activeTargets"]
        return found

    def _get(self, path: str, **parameters: str) -> Any:
        try:
            answer = patient_get(
                self._forward, f"/api/v1/{path}", timeout_seconds=_TIMEOUT_SECONDS,
                parameters=parameters,
            )  # fmt: skip
            return answer.raise_for_status().json()["data"]
        except httpx.HTTPError as error:
            raise NotAvailableError(f"Prometheus: {error!r}") from error
