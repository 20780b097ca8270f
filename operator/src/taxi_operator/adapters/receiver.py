"""The server that notices are sent to: told by POST, its answers are not read."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp

from taxi_domain.errors import NotAvailableError
from taxi_operator.adapters.answers import words_of
from taxi_operator.adapters.secret_files import SecretFile

#: The key of the Secret, a file where it is mounted.
KEY_FILE: Final = "key"
#: Shortest key, bytes: a shorter one can be guessed.
MIN_KEY: Final = 16
#: Longest time of a try, connection included, seconds.
TIMEOUT_SECONDS: Final = 5.0
#: What is read of an answer while nobody looks at it, bytes.
_BUFFER: Final = 4 * 1024


class Receiver:
    """The platform's receiver of notices.

    Args:
        url: Its address.
        folder: Where the Secret with the signing key is mounted.
        timeout: Longest time of a try, seconds.
    """

    def __init__(self, url: str, folder: Path, timeout: float = TIMEOUT_SECONDS) -> None:
        self._url = url
        self._timeout = timeout
        self._key = SecretFile(folder / KEY_FILE, _key, "Webhook", "operator.webhook")
        self._session = aiohttp.ClientSession(
            # A connection of which the answer was not read cannot be used again.
            connector=aiohttp.TCPConnector(limit=1, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
            read_bufsize=_BUFFER,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def key(self) -> bytes:
        """Return the key that signs.

        Raises:
            NotAvailableError: there is none that can be used.
        """
        found = self._key.value()
        if found is None:
            raise self._key.unusable()
        return found

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a body; no redirect is followed.

        Raises:
            NotAvailableError: the answer is no 2xx, or there is none in time.
        """
        try:
            async with asyncio.timeout(self._timeout), self._session.post(
                self._url, data=body, headers=dict(headers), allow_redirects=False
            ) as answer:  # fmt: skip
                status = answer.status
                # Also of a body that never ends nothing is read.
                answer.close()
        # The cause is left out: it has headers, and texts of the server.
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise NotAvailableError(f"Webhook: {words_of(error)}") from None
        if not 200 <= status < 300:
            raise NotAvailableError(f"Webhook: answered with {status}")

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


def _key(content: bytes) -> bytes:
    key = content.strip()
    if len(key) < MIN_KEY:
        raise ValueError("it is too short")
    return key
