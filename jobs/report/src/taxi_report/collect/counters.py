"""What never reached the log, from Prometheus: rows that were refused, or answered unlogged."""

import json
import math
from typing import Final

import httpx

from taxi_domain.errors import NotAvailableError
from taxi_domain.metric import Metric
from taxi_domain.metrics import PREDICTOR_REFUSED, PREDICTOR_UNLOGGED
from taxi_report.spans import Span

_MAX_BYTES: Final = 64 * 1024


class Counters:
    """Counters of the predictors over a span.

    Args:
        url: Base address of Prometheus.
        selector: Label matchers that choose this release's series, for example `namespace="taxi"`.
        timeout_seconds: Longest time of a query.
    """

    def __init__(self, url: str, selector: str, timeout_seconds: float) -> None:
        self._url = url
        self._selector = selector
        self._timeout = timeout_seconds

    def refused(self, span: Span) -> int | None:
        """Return how many rows were refused, None when Prometheus has no such series."""
        return self._increase(PREDICTOR_REFUSED, span)

    def unlogged(self, span: Span) -> int | None:
        """Return how many rows were answered and not logged, None without such series."""
        return self._increase(PREDICTOR_UNLOGGED, span)

    def _increase(self, metric: Metric, span: Span) -> int | None:
        seconds = max(1, round((span.end - span.start).total_seconds()))
        query = f"sum(increase({metric.name}{{{self._selector}}}[{seconds}s]))"
        value = self._value(query, span.end.timestamp())
        return None if value is None else max(0, round(value))

    def _value(self, query: str, at: float) -> float | None:
        """Return the value of a query that has one series at most.

        Raises:
            NotAvailableError: Prometheus does not answer, or with something else.
        """
        try:
            with (
                httpx.Client(timeout=self._timeout, follow_redirects=False) as client,
                client.stream(
                    "GET", f"{self._url}/api/v1/query", params={"query": query, "time": at}
                ) as answer,
            ):
                body = b""
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > _MAX_BYTES:
                        raise NotAvailableError("Prometheus: its answer is too large")
        except httpx.HTTPError as error:
            # The text of an error can hold the address with its password.
            raise NotAvailableError(f"Prometheus: {type(error).__name__}; is it there?") from None
        if answer.status_code != httpx.codes.OK:
            raise NotAvailableError(f"Prometheus: answers {answer.status_code}")
        try:
            result = json.loads(body)["data"]["result"]
            value = float(result[0]["value"][1]) if result else math.nan
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise NotAvailableError(f"Prometheus: is none, by its answer ({error!r})") from None
        return value if math.isfinite(value) else None
