"""Prometheus' HTTP API: instant and range queries with one series each.

Nothing of an answer but numbers and labels goes on: problems are told in words of our own.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from taxi_domain.errors import NotAvailableError, TaxiError
from taxi_operator.adapters.answers import BodyTooLargeError
from taxi_operator.adapters.server import Server
from taxi_operator.texts import cut

#: The longest range that is asked for, 5,000 samples, has a fifth of it.
MAX_BODY_BYTES: Final = 1024 * 1024
#: Two tell that a query has more than one series.
_MAX_SERIES: Final = 2
_MAX_RANKED: Final = 5
_MAX_LABELS: Final = 6
_MAX_LABEL_TEXT: Final = 64
_MAX_QUERY_TEXT: Final = 200
_OK: Final = 200
_REFUSED: Final = {401, 403}
#: The first second of the year 3000.
_LATEST: Final = 32_503_680_000.0
#: Longest time of all queries of one reconcile, in time-outs of one and in seconds.
_MAX_TIMEOUTS: Final = 2
_MAX_SECONDS: Final = 30.0
_NOT_ASKED_FOR: Final = "Prometheus: answers with samples that were not asked for"


class QueryError(TaxiError):
    """A query cannot be used as it is written; trying later does not help.

    Attributes:
        reason: Word for conditions.
    """

    reason = "InvalidQuery"

    def __init__(self, promql: str, problem: str) -> None:
        super().__init__(f"{cut(promql, _MAX_QUERY_TEXT)}: {problem}")

    def bare(self) -> Self:
        """Return itself without its traceback, to be kept: the frames in it hold the answer."""
        self.__context__ = None
        return self.with_traceback(None)


class AmbiguousQueryError(QueryError):
    """A query gave several series; which one is meant cannot be guessed."""

    reason = "AmbiguousQuery"


class QueryFailedError(NotAvailableError):
    """A query was understood and could not be carried out; trying later can help.

    Attributes:
        reason: Word for conditions.
    """

    reason = "QueryFailed"


class Prometheus:
    """The API of one Prometheus server, as a policy asks it.

    Args:
        server: The server.
        timeout_seconds: Longest time of a query, its answer included.
    """

    def __init__(self, server: Server, timeout_seconds: float) -> None:
        self._server = server
        self._timeout = timeout_seconds

    @property
    def deadline_seconds(self) -> float:
        """Longest time of all queries of one reconcile together."""
        return min(_MAX_TIMEOUTS * self._timeout, _MAX_SECONDS)

    async def now(self) -> float:
        """Return the server's time, so that our own clock decides nothing.

        Every server can answer this at once, whatever policies ask: it tells whether one is there.

        Raises:
            NotAvailableError: it is not, or was not a moment ago.
        """
        with self._server.breaker.attempt():
            kind, result = await self._get("query", "time()", is_quick=True)
            now = _number("time()", result) if kind == "scalar" else math.nan
            if not 0 < now < _LATEST:
                raise NotAvailableError("Prometheus: its time is no time; is it a Prometheus?")
            return now

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
        kind, result = await self._get(
            "query", promql, time=at, lookback_delta=lookback, limit=_MAX_SERIES
        )
        if kind == "scalar":
            return _number(promql, result)
        series = _only(promql, kind, result)
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
        kind, result = await self._get(
            "query_range", promql, start=start, end=end, step=step, lookback_delta=lookback,
            limit=_MAX_SERIES,
        )  # fmt: skip
        series = _only(promql, kind, result)
        if series is None:
            return ()
        samples = series.get("values")
        if not isinstance(samples, list) or not samples:
            raise QueryError(promql, "its samples are no numbers")
        # One MiB holds many more than were asked for, and they take much more memory as numbers.
        if len(samples) > (end - start) / step + 2:
            raise NotAvailableError(_NOT_ASKED_FOR)
        found = tuple((_number(promql, one, 0), _number(promql, one)) for one in samples)
        times = [at for at, _ in found]
        # Each of these would let the oldest or the newest sample be one that it is not.
        if times != sorted(set(times)) or not start - step <= times[0] <= times[-1] <= end + step:
            raise NotAvailableError(_NOT_ASKED_FOR)
        return found

    async def ranking(self, promql: str) -> list[tuple[str, float]]:
        """Return the largest series of an instant query, as `name=value` of their labels.

        Raises:
            QueryError: it has no numbers.
            NotAvailableError: the server does not answer.
        """
        # The server ranks: a limit alone would leave out any series.
        largest = f"topk({_MAX_RANKED}, (\n{promql}\n))"
        kind, result = await self._get("query", largest, limit=_MAX_RANKED)
        if kind != "vector":
            return []
        ranked = [
            (_labels(one.get("metric")), _number(promql, one.get("value")))
            for one in result
            if isinstance(one, Mapping)
        ]
        return sorted(ranked, key=lambda one: -one[1])[:_MAX_RANKED]

    async def _get(
        self, path: str, query: str, *, is_quick: bool = False, **numbers: float
    ) -> tuple[str, Any]:
        """Return type and value of a query's result."""
        parameters = {"query": query}
        parameters |= {name: f"{one:.3f}".removesuffix(".000") for name, one in numbers.items()}
        try:
            answer = await self._server.get(
                f"api/v1/{path}", parameters, self._timeout, MAX_BODY_BYTES, is_quick=is_quick
            )
        except BodyTooLargeError:
            raise QueryError(
                query, "the answer is larger than 1 MiB; aggregate the query to one series"
            ) from None
        if 300 <= answer.status < 400:
            raise NotAvailableError(
                f"Prometheus: answers with a redirect ({answer.status}), which is not followed; "
                "give the address that it leads to"
            )
        if answer.status in _REFUSED:
            raise NotAvailableError(
                f"Prometheus: refuses the operator ({answer.status}); see "
                "operator.prometheus.existingSecret and tenant of the chart"
            )
        if answer.encoding not in {"", "identity"}:
            raise NotAvailableError(
                "Prometheus: the answer is compressed although that was not asked for"
            )
        return _result(query, answer.status, answer.body)


def _result(query: str, status: int, body: bytes) -> tuple[str, Any]:
    """Read the envelope of an answer.

    Raises:
        QueryError: the server says that the query is wrong.
        QueryFailedError: it says that it could not carry it out.
        NotAvailableError: it says anything else that is no result.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NotAvailableError(f"Prometheus: answers {status} without a JSON object")
    if found.get("status") != "success":
        kind = str(found.get("errorType"))
        if kind == "bad_data":
            raise QueryError(query, "Prometheus refuses it (bad_data); try it in its web page")
        if kind in _FAILED:
            raise QueryFailedError(
                f"{cut(query, _MAX_QUERY_TEXT)}: Prometheus cannot execute it ({status}, {kind}); "
                "try it in its web page"
            )
        known = kind if kind in _ERROR_TYPES else "of a kind that is not known"
        raise NotAvailableError(f"Prometheus: answers {status} with an error, {known}")
    data = found.get("data")
    if status != _OK or not isinstance(data, dict) or "result" not in data:
        raise NotAvailableError(f"Prometheus: answers {status} without a result")
    return str(data.get("resultType")), data["result"]


#: What Prometheus' documentation names; other words of a server are not passed on.
_FAILED: Final = {"execution", "timeout", "canceled", "internal"}
_ERROR_TYPES: Final = {"unavailable", "not_found", "not_acceptable"}


def _only(promql: str, kind: str, result: Any) -> Mapping[str, Any] | None:
    """Return the only series of a result, None when it is empty."""
    if kind not in {"vector", "matrix"} or not isinstance(result, Sequence):
        raise QueryError(promql, "is no vector; give a query with one number")
    if len(result) > 1:
        raise AmbiguousQueryError(promql, "has at least 2 series; aggregate it to one")
    if not result:
        return None
    if not isinstance(result[0], Mapping):
        raise QueryError(promql, "is no vector; give a query with one number")
    return result[0]


def _number(promql: str, sample: Any, place: int = 1) -> float:
    """Return the number of a `[time, "value"]`; a text or a histogram has none."""
    try:
        return float(sample[place])
    except (TypeError, ValueError, IndexError, KeyError, OverflowError):
        raise QueryError(promql, "its value is not one number") from None


def _labels(found: Any) -> str:
    """Return the labels of a series for people, cut: a series can have any."""
    labels = sorted(found.items()) if isinstance(found, Mapping) else []
    shown = [
        f"{cut(name, _MAX_LABEL_TEXT)}={cut(value, _MAX_LABEL_TEXT)}" for name, value in labels
    ]
    more = ["…"] if len(shown) > _MAX_LABELS else []
    return ",".join(shown[:_MAX_LABELS] + more)
