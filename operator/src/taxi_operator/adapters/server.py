"""One HTTP server: its connections, and whether it answers."""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

import aiohttp

from taxi_domain.errors import NotAvailableError
from taxi_operator.adapters.answers import body_of, words_of
from taxi_operator.adapters.credentials import Credentials
from taxi_operator.core.breaker import Breaker

#: So many requests at a time; others wait for a connection.
MAX_CONNECTIONS: Final = 32
#: Of them for requests that every server can answer at once: whether it answers at all is asked
#: without a wait behind slow queries.
_RESERVED: Final = 8
#: What is read of an answer before anybody looks at it, bytes.
_BUFFER: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

    Attributes:
        status: HTTP status.
        encoding: How the body is encoded, empty when it is not.
        body: Its bytes.
    """

    status: int
    encoding: str
    body: bytes


class Server:
    """A server that is asked again and again.

    Args:
        address: Its address, without credentials.
        breaker: Keeps callers away while it does not answer.
        large: Places for the few answers that are large, shared by all servers.
        credentials: What it is asked with; None: nothing.
    """

    def __init__(
        self,
        address: str,
        breaker: Breaker,
        large: asyncio.Semaphore,
        credentials: Credentials | None = None,
    ) -> None:
        self._address = address
        self.breaker = breaker
        self._large = large
        self._credentials = credentials
        #: Requests that are under way.
        self.asked = 0
        self._places = asyncio.Semaphore(MAX_CONNECTIONS - _RESERVED)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, socket_factory=_socket),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            # A compressed body has a size that nobody knows before it is in memory.
            headers={"Accept-Encoding": "identity"},
            auto_decompress=False,
            read_bufsize=_BUFFER,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def get(
        self, path: str, parameters: Mapping[str, str], timeout: float, most_bytes: int,
        *, is_quick: bool = False,
    ) -> Answer:  # fmt: skip
        """Ask the server; no redirect is followed.

        Args:
            path: Below its address.
            parameters: Of the query.
            timeout: Longest time, the answer and the wait for a connection included, seconds.
            most_bytes: Longest body that is read.
            is_quick: Every server answers this at once, so it waits behind no other request.

        Raises:
            BodyTooLargeError: the body is longer.
            NotAvailableError: there is no answer.
        """
        if self._session.closed:
            raise NotAvailableError("Prometheus: too many servers are asked at the same time")
        self.asked += 1
        try:
            async with asyncio.timeout(timeout), nullcontext() if is_quick else self._places:
                return await self._get(path, parameters, most_bytes)
        # The cause is left out: it has headers, and texts of the server.
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise NotAvailableError(f"Prometheus: {words_of(error)}") from None
        finally:
            self.asked -= 1

    async def _get(self, path: str, parameters: Mapping[str, str], most_bytes: int) -> Answer:
        headers = self._credentials.headers() if self._credentials else {}
        tls = self._credentials.tls() if self._credentials else True
        async with self._session.get(
            f"{self._address}/{path}", params=parameters, headers=headers, ssl=tls,
            allow_redirects=False,
        ) as answer:  # fmt: skip
            # A redirect's body says nothing.
            redirects = 300 <= answer.status < 400
            body = b"" if redirects else await body_of(answer, most_bytes, self._large)
            return Answer(answer.status, answer.headers.get("Content-Encoding", ""), body)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket that takes no more than it must: asyncio reads all that it has at once."""
    made = socket.socket(address[0], address[1], address[2])
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    return made
