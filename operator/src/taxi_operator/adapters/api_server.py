"""Calls of the API server over HTTP: logins, time-outs, failures in words of our own."""

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
from kubernetes.aio import client, config

from taxi_domain.errors import NotAvailableError, TaxiError
from taxi_operator.adapters.answers import words_of
from taxi_operator.texts import cut

Document = dict[str, Any]
Query = list[tuple[str, str]]

#: The header has whole seconds: a smaller difference says nothing.
_CLOCK_STEP: Final = 2.0
_UNAUTHORIZED: Final = 401
_MAX_MESSAGE: Final = 500
_REASON: Final = re.compile("[A-Za-z]{0,64}")
#: etcd takes no object that is half as large, bytes.
_MAX_LINE: Final = 4 * 1024 * 1024


class ApiError(TaxiError):
    """The API server refused a call.

    Attributes:
        status: HTTP status.
        reason: Kubernetes' word for it, for example Forbidden.
    """

    def __init__(self, verb: str, path: str, status: int, reason: str, message: str) -> None:
        self.status = status
        self.reason = reason if _REASON.fullmatch(reason) else ""
        super().__init__(f"{verb} {path}: {status} {self.reason}: {cut(message, _MAX_MESSAGE)}")


class ApiServer:
    """One session with the API server.

    Args:
        timeout_seconds: Longest time of a call.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._client = client.ApiClient()
        self._offset = time.time() - time.monotonic()
        #: When the first call of those in a row was answered with 401, None: the last was not.
        self._login_refused: float | None = None

    def clock(self) -> float:
        """Return the API server's time: its objects' times are compared with it."""
        return time.monotonic() + self._offset

    def login_refused_seconds(self) -> float:
        """Return for how long every call has been answered with 401; 0: the last was not."""
        since = self._login_refused  # read once: the probe asks from a thread of its own
        return 0.0 if since is None else time.monotonic() - since

    @classmethod
    async def connect(cls, timeout_seconds: float, kubeconfig: Path | None = None) -> "ApiServer":
        """Log in: as the pod's service account, or by a kubeconfig outside of a cluster.

        Args:
            timeout_seconds: Longest time of a call.
            kubeconfig: The file; None: the user's.

        Raises:
            NotAvailableError: there is neither.
        """
        try:
            config.load_incluster_config()  # type: ignore[no-untyped-call]
        except config.ConfigException:
            name = None if kubeconfig is None else str(kubeconfig)
            try:
                await config.load_kube_config(config_file=name)  # type: ignore[no-untyped-call]
            except (config.ConfigException, OSError, ValueError) as error:
                # The cause is left out: it may hold what is secret.
                raise NotAvailableError(
                    f"API server: no kubeconfig can be used ({type(error).__name__}); set "
                    "KUBECONFIG, and a context"
                ) from None
        return cls(timeout_seconds)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def call(
        self,
        method: str,
        path: str,
        body: Document | None = None,
        *,
        query: Query | None = None,
        content_type: str = "application/json",
    ) -> Document:
        """Call it and return its answer.

        Raises:
            ApiError: it refuses.
            NotAvailableError: it does not answer.
        """
        request = await self._client.param_serialize(
            method, path, query_params=query or [], body=body,
            header_params={"Accept": "application/json", "Content-Type": content_type},
            auth_settings=["BearerToken"],
        )  # fmt: skip
        try:
            answer = await self._client.call_api(*request, _request_timeout=self._timeout)
            data = await answer.read()  # type: ignore[no-untyped-call]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # The cause is left out: it has the request's headers, and so the login.
            raise NotAvailableError(f"API server: {method} {path}: {words_of(error)}") from None
        self._answered(answer.response)
        found = document_of(data)
        if answer.status >= 400:
            raise _refusal(method, path, answer.status, found)
        if found is None:
            raise NotAvailableError(f"API server: {method} {path}: answers without a JSON object")
        return found

    async def lines(self, path: str, query: Query) -> AsyncGenerator[bytes, None]:
        """Yield an empty line once it answers, and then every line of its answer, to its end.

        Raises:
            ApiError: it refuses.
            NotAvailableError: it does not answer, or stops in the middle.
        """
        request = await self._client.param_serialize(
            "GET", path, query_params=query, header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )  # fmt: skip
        response: aiohttp.ClientResponse | None = None
        try:
            async with asyncio.timeout(self._timeout):
                # No time-out of the whole: whoever reads the lines knows how long that may take.
                answer = await self._client.call_api(
                    *request, _request_timeout=aiohttp.ClientTimeout(total=None)
                )
                response = answer.response
                self._answered(response)
                if response.status >= 400:
                    refused = document_of(await response.content.read(_MAX_LINE))
                    raise _refusal("GET", path, response.status, refused)
            yield b""
            async for line in _lines_of(response):
                yield line
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotAvailableError(f"API server: GET {path}: {words_of(error)}") from None
        finally:
            if response is not None:
                response.close()

    def _answered(self, response: aiohttp.ClientResponse) -> None:
        if response.status != _UNAUTHORIZED:
            self._login_refused = None
        elif self._login_refused is None:
            self._login_refused = time.monotonic()
        date = response.headers.get("Date")
        if date is None:
            return
        try:
            offset = parsedate_to_datetime(date).timestamp() - time.monotonic()
        except ValueError:
            return  # whatever stands between writes its own
        if abs(offset - self._offset) > _CLOCK_STEP:
            self._offset = offset


async def _lines_of(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _MAX_LINE:
            raise aiohttp.ClientPayloadError
        for line in lines:
            if line:
                yield line


def document_of(data: bytes) -> Document | None:
    """Return a JSON object, None when it is none."""
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _refusal(method: str, path: str, status: int, found: Document | None) -> ApiError:
    # A kind that the server does not know is answered in plain text; so is much of a 5xx.
    plain = {"reason": "NotFound" if status == 404 else "", "message": "no JSON"}
    told = found or plain
    reason, message = str(told.get("reason") or ""), str(told.get("message") or "")
    return ApiError(method, path, status, reason, message)
