"""Prometheus' HTTP API: instant and range queries with one series each."""

import math
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp

from taxi_domain.errors import NotAvailableError, TaxiError


class AmbiguousQueryError(TaxiError):
    """A query gave several series; which one is meant cannot be guessed."""


class Prometheus:
    """One Prometheus server."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._url = url
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(timeout_seconds))

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._session.close()

    async def now(self) -> float:
        """Return the server's time, so that our own clock decides nothing."""
        found = await self._get("query", {"query": "time()"})
        return float(found["result"][0])

    async def value(self, promql: str) -> float | None:
        """Return the value of an instant query, None without a result.

        Raises:
            AmbiguousQueryError: it has several series.
            NotAvailableError: the server does not answer or refuses the query.
        """
        found = await self._get("query", {"query": promql})
        result = found["result"]
        if found["resultType"] == "scalar":
            return float(result[1])
        if len(result) > 1:
            raise AmbiguousQueryError(f"{promql}: has {len(result)} series, one is needed")
        return float(result[0]["value"][1]) if result else None

    async def values(self, promql: str, start: float, end: float, step: float) -> list[float]:
        """Return the samples of a range, oldest first, empty without a result.

        Raises:
            AmbiguousQueryError: it has several series.
            NotAvailableError: the server does not answer or refuses the query.
        """
        found = await self._get(
            "query_range",
            {"query": promql, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"},
        )
        result = found["result"]
        if len(result) > 1:
            raise AmbiguousQueryError(f"{promql}: has {len(result)} series, one is needed")
        return [float(one[1]) for one in result[0]["values"]] if result else []

    async def _get(self, path: str, parameters: Mapping[str, str]) -> Any:
        try:
            async with self._session.get(f"{self._url}/api/v1/{path}", params=parameters) as answer:
                body = await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise NotAvailableError(f"Prometheus {self._url}: {error!r}") from error
        if not isinstance(body, dict) or body.get("status") != "success":
            problem = body.get("error") if isinstance(body, dict) else body
            raise NotAvailableError(f"Prometheus {self._url}: {problem}")
        return body["data"]


def step_of(seconds: float) -> float:
    """Return the step of a range: ten samples, but not finer than 1 s nor coarser than 15 s."""
    return min(max(seconds / 10, 1.0), 15.0)


def expected_samples(seconds: float) -> int:
    """Return how many samples a range without holes has.

    >>> expected_samples(0), expected_samples(30)
    (1, 11)
    """
    return 1 if seconds <= 0 else math.floor(seconds / step_of(seconds)) + 1
