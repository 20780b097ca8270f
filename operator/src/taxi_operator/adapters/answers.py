"""Answers of HTTP servers: bodies within a bound, failures in words of our own.

An exception of the HTTP client holds the request's headers and the server's texts, and its
address may hold a password: none of that may reach a status, an Event or a log.
"""

import asyncio
import ssl
from contextlib import AsyncExitStack
from typing import Final

import aiohttp

#: The first that fits, so special ones stand before general ones.
_FAILURES: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (TimeoutError, "no answer in time"),
    (aiohttp.InvalidURL, "the address cannot be used"),
    (aiohttp.ClientConnectorDNSError, "the name is not known"),
    (aiohttp.ClientConnectorCertificateError, "the certificate is not trusted"),
    (aiohttp.ClientSSLError, "the TLS connection is refused"),
    (ssl.SSLError, "the TLS connection is refused"),
    (aiohttp.ClientConnectorError, "no connection"),
    (aiohttp.ClientConnectionError, "the connection was cut"),
    (aiohttp.ClientPayloadError, "the answer was cut"),
    (aiohttp.ClientResponseError, "the answer is no HTTP"),
    (OSError, "no connection"),
    (ValueError, "the address cannot be used"),
)

#: Longer bodies are large, bytes.
_SMALL: Final = 16 * 1024


class BodyTooLargeError(Exception):
    """A body is larger than its bound; the rest of it was not read."""


def words_of(error: BaseException) -> str:
    """Return what went wrong with a call, in fixed words.

    >>> words_of(TimeoutError("http://user:password@host"))
    'no answer in time'
    """
    for kind, words in _FAILURES:
        if isinstance(error, kind):
            return words
    return f"the call failed ({type(error).__name__})"


async def body_of(
    answer: aiohttp.ClientResponse, most_bytes: int, large: asyncio.Semaphore
) -> bytes:
    """Read the body of an answer.

    Args:
        answer: Whose body it is.
        most_bytes: Most that it may have.
        large: Has a place for each large body that may be read at the same time.

    Raises:
        BodyTooLargeError: it has more than `most_bytes`.
    """
    body = bytearray()
    async with AsyncExitStack() as place:
        async for chunk in answer.content.iter_any():
            if len(body) <= _SMALL < len(body) + len(chunk):
                await place.enter_async_context(large)
            body += chunk
            if len(body) > most_bytes:
                answer.close()
                body.clear()
                raise BodyTooLargeError
        return bytes(body)
