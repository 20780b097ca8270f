"""Prometheus' HTTP API: instant and range queries with one series each."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from taxi_domain.errors import NotAvailableError, TaxiError

_MOST_RANKED: Final = 5


class QueryError(TaxiError):
    """A query cannot be used as it is written; trying later does not help.

    Attributes:
        reason: Word for conditions.
    """

    reason = "InvalidQuery"


class AmbiguousQueryError(QueryError):
    """A query gave several series; which one is meant cannot be guessed."""

    reason = "AmbiguousQuery"

    def __init__(self, promql: str, series: int) -> None:
        super().__init__(f"{promql}: has {series} series; aggregate it to one")


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
        found = await self._query("time()")
        return _number("time()", found["result"])

    async def value(self, promql: str, at: float, lookback: float) -> float | None:
        """Return the value of an instant query, None without a result.

        Args:
            promql: Query.
            at: Time that it is evaluated for, seconds since the epoch.
            lookback: Longest age of a sample that is taken for a present value, seconds.

        Raises:
            QueryError: it has several series, or no number.
            NotAvailableError: the server does not answer.
        """
        found = await self._query(promql, time=at, lookback_delta=lookback)
        result = found["result"]
        if found["resultType"] == "scalar":
            return _number(promql, result)
        series = _only(promql, result)
        return None if series is None else _number(promql, series.get("value"))

    async def samples(
        self, promql: str, start: float, end: float, step: float, lookback: float
    ) -> tuple[tuple[float, float], ...]:
        """Return the samples of a range with their times, oldest first, empty without a result.

        Args:
            promql: Query.
            start: Begin of the range, seconds since the epoch.
            end: End of it.
            step: Seconds between two samples.
            lookback: Longest age of a sample that is taken for a present value, seconds.

        Raises:
            QueryError: it has several series, or no numbers.
            NotAvailableError: the server does not answer.
        """
        found = await self._get(
            "query_range", query=promql, start=start, end=end, step=step, lookback_delta=lookback
        )
        series = _only(promql, found["result"])
        if series is None:
            return ()
        return tuple(
            (float(one[0]), _number(promql, one)) for one in series.get("values") or [None]
        )

    async def ranking(self, promql: str) -> list[tuple[str, float]]:
        """Return the largest series of an instant query, as `name=value` of their labels.

        Raises:
            QueryError: it has no numbers.
            NotAvailableError: the server does not answer.
        """
        found = await self._query(promql)
        if found["resultType"] != "vector":
            return []
        ranked = [
            (
                ",".join(f"{name}={value}" for name, value in sorted(one["metric"].items())),
                _number(promql, one.get("value")),
            )
            for one in found["result"]
        ]
        return sorted(ranked, key=lambda one: -one[1])[:_MOST_RANKED]

    async def _query(self, promql: str, **numbers: float) -> Any:
        return await self._get("query", promql, **numbers)

    async def _get(self, path: str, query: str, **numbers: float) -> Any:
        parameters = {"query": query} | {name: f"{one:.3f}" for name, one in numbers.items()}
        try:
            async with self._session.get(f"{self._url}/api/v1/{path}", params=parameters) as answer:
                body = await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise NotAvailableError(f"Prometheus {self._url}: {error!r}") from error
        if not isinstance(body, dict):
            raise NotAvailableError(f"Prometheus {self._url}: answered no JSON object")
        if body.get("status") == "success":
            return body["data"]
        if body.get("errorType") == "bad_data":
            raise QueryError(f"{query}: {body.get('error')}")
        raise NotAvailableError(f"Prometheus {self._url}: {body.get('error')}")


def _only(promql: str, result: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    if result and not isinstance(result[0], Mapping):
        raise QueryError(f"{promql}: is no vector; give a query with one number")
    if len(result) > 1:
        raise AmbiguousQueryError(promql, len(result))
    return result[0] if result else None


def _number(promql: str, sample: Any) -> float:
    """Return the number of a `[time, "value"]`; a text or a histogram has none."""
    try:
        return float(sample[1])
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise QueryError(f"{promql}: is not one number, but {sample!r:.80}") from error
