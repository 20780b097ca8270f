"""Answers of HTTP servers: bodies within a bound, failures in words of our own.

An exception of the HTTP client holds the request's headers and the server's texts, and its
address may hold a password: none of that may reach a status, an Event or a log.
"""

import ssl
from typing import Final

import aiohttp

#: The first that fits, so special ones stand before general ones.
_FAILURES: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (TimeoutError, "no answer in time"),
    (aiohttp.InvalidURL, "the address cannot be used"),
    (aiohttp.ClientConnectorDNSError, "the name is not known"),
    (aiohttp.ClientSSLError, "the TLS connection is refused"),
    (ssl.SSLError, "the TLS connection is refused"),
    (aiohttp.ClientConnectorError, "no connection"),
    (aiohttp.ClientConnectionError, "the connection was cut"),
    (aiohttp.ClientPayloadError, "the answer was cut"),
    (aiohttp.ClientResponseError, "the answer is no HTTP"),
    (OSError, "no connection"),
    (ValueError, "the address cannot be used"),
)


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


async def body_of(answer: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """Read the body of an answer.

    Raises:
        BodyTooLargeError: it has more than `most_bytes`.
    """
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > most_bytes:
            answer.close()
            body.clear()
            raise BodyTooLargeError
    return bytes(body)
