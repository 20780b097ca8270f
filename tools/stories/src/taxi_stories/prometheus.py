"""Instant queries to the cluster's Prometheus."""

from typing import Any

import httpx
import tenacity

from taxi_domain.errors import NotAvailableError
from taxi_stories.forwards import Forward

_PATIENCE_SECONDS = 60.0


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
            for attempt in tenacity.Retrying(
                retry=tenacity.retry_if_exception_type(httpx.TransportError),
                wait=tenacity.wait_random_exponential(multiplier=0.2, max=3.0),
                stop=tenacity.stop_after_delay(_PATIENCE_SECONDS),
                reraise=True,
            ):
                with attempt:
                    # The port may have to be opened anew.
                    url = f"{self._forward.url()}/api/v1/{path}"
                    answer = httpx.get(url, params=parameters, timeout=15).raise_for_status()
                    return answer.json()["data"]
        except httpx.HTTPError as error:
            raise NotAvailableError(f"Prometheus: {error!r}") from error
        raise AssertionError("tenacity returns or raises")
