"""What other programs say: in words of our own, and never longer than it may be."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from prometheus_client import CollectorRegistry
from yarl import URL

from taxi_operator.adapters.answers import words_of
from taxi_operator.adapters.cluster import ApiError, Cluster
from taxi_operator.memory.status import Status
from taxi_operator.metrics import Metrics
from taxi_operator.reporting import Reporter
from taxi_operator.texts import bounded

SECRET = "hunter2"
URL_WITH_SECRET = URL(f"http://user:{SECRET}@host/")
HEADERS = CIMultiDictProxy(CIMultiDict({"Authorization": f"Bearer {SECRET}"}))
REQUEST = aiohttp.RequestInfo(URL_WITH_SECRET, "GET", HEADERS, URL_WITH_SECRET)


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ClientResponseError(REQUEST, (), message=SECRET, headers=HEADERS),
        aiohttp.ContentTypeError(REQUEST, (), message=SECRET, headers=HEADERS),
        aiohttp.InvalidURL(URL_WITH_SECRET),
        aiohttp.ClientPayloadError(SECRET),
        aiohttp.ServerDisconnectedError(SECRET),
        aiohttp.ClientConnectorError(cast("Any", SimpleNamespace()), OSError(SECRET)),
        TimeoutError(SECRET),
        OSError(SECRET),
        ValueError(SECRET),
        RuntimeError(SECRET),
    ],
    ids=lambda one: type(one).__name__,
)
def test_failed_call_tells_neither_headers_nor_texts_nor_addresses(error: Exception) -> None:
    assert SECRET not in words_of(error)


def test_refusal_of_the_api_server_is_cut() -> None:
    error = ApiError("GET", "/api", 403, "Forbidden", "x" * 2_000_000)
    strange = ApiError("GET", "/api", 500, "<p>" * 100, "")

    assert (error.reason, strange.reason) == ("Forbidden", "")
    assert len(str(error)) < 600
    assert "<p>" not in str(strange)


def test_document_is_bounded_in_every_depth() -> None:
    endless = {"conditions": [{"message": "x" * 2_000_000}] * 1000, "run": {"message": "y" * 10**6}}

    assert len(json.dumps(bounded(endless))) < 200_000
    assert bounded({"a": [1, None, True, "b"]}) == {"a": [1, None, True, "b"]}


def test_status_is_written_whatever_a_system_said() -> None:
    written: list[dict[str, Any]] = []

    class Written:
        async def apply_status(self, _: object, document: dict[str, Any]) -> None:
            written.append(document)

    cluster = cast("Cluster", Written())
    reporter = Reporter(cluster, Metrics(CollectorRegistry()), lambda: 0.0)
    found: dict[str, Any] = {"metadata": {"name": "p", "generation": 1}}
    status = Status(candidate={"state": "Refused", "message": "x" * 2_000_000})

    for _ in range(2):
        asyncio.run(reporter.write(found, status))

    (document,) = written  # the second time it is there already
    assert len(json.dumps(document)) < 8192
