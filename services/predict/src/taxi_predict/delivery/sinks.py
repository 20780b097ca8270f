"""Where delivered records go: MongoDB's log and the monitor."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime
from typing import Final

import httpx

from taxi_domain.errors import NotAvailableError
from taxi_domain.records import MAX_PUSHED_BYTES
from taxi_store.log.encoding import CONTENT_TYPE
from taxi_store.log.prediction_log import insert_encoded
from taxi_store.rotated_database import RotatedDatabase

#: Time for one body, and for all that the monitor is told at once, seconds: its turn is the
#: delivery's.
_CALL_SECONDS: Final = 3.0
_TURN_SECONDS: Final = 10.0
#: Of one body: other pods' bodies have room beside it.
_BODY_BYTES: Final = MAX_PUSHED_BYTES // 4
#: For an error message.
_KEPT_BYTES: Final = 200


class MongoLog:
    """The prediction log; a repeat of a record changes nothing."""

    name = "mongodb"

    def __init__(self, store: RotatedDatabase) -> None:
        self._store = store

    def write(self, records: Sequence[bytes]) -> None:
        """Insert; records that are there already are skipped.

        Raises:
            StoreUnavailableError: MongoDB does not answer or refuses.
        """
        self._store.use(lambda database: insert_encoded(database, records, datetime.now(UTC)))


class Monitor:
    """The monitor's fast lane; what it misses it reads from the log.

    Args:
        url: Base address.
        token: Tells the one for records.
        headers: Tells what else goes along.
    """

    name = "monitor"

    def __init__(
        self, url: str, token: Callable[[], str], headers: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        self._token = token
        self._headers = headers
        # Only asyncio can end a call: other clients' time-outs begin again with each byte.
        self._runner = asyncio.Runner()
        # Names are looked up in a thread, which gets the scheduling class of who makes it: now,
        # and not when a thread of the idle class calls first.
        names = ThreadPoolExecutor(1, "names")
        names.submit(int).result()
        self._runner.get_loop().set_default_executor(names)
        self._client = httpx.AsyncClient(base_url=url, timeout=_CALL_SECONDS)

    def write(self, records: Sequence[bytes]) -> None:
        """Post the records, in as many bodies as they need.

        Raises:
            NotAvailableError: it does not answer, or does not take them; it may have some of them.
        """
        try:
            # A runner has the context that it was made in.
            self._runner.run(self._post_all(records), context=copy_context())
        except (httpx.HTTPError, TimeoutError) as error:
            raise NotAvailableError(f"monitor: {error!r}") from error

    async def _post_all(self, records: Sequence[bytes]) -> None:
        async with asyncio.timeout(_TURN_SECONDS):
            for content in bodies(records, _BODY_BYTES):
                status, text = await self._answer(content)
                if status != 200:
                    raise NotAvailableError(f"monitor: {status} {text!r}")

    async def _answer(self, content: bytes) -> tuple[int, bytes]:
        """Post and return the status and the answer's beginning."""
        text = b""
        headers = {
            "Authorization": f"Bearer {self._token()}", "Content-Type": CONTENT_TYPE,
            **self._headers(),
        }  # fmt: skip
        async with (
            asyncio.timeout(_CALL_SECONDS),
            self._client.stream(
                "POST", "/v1/predictions", content=content, headers=headers
            ) as answer,
        ):
            async for piece in answer.aiter_raw():
                text = (text + piece)[:_KEPT_BYTES]
        return answer.status_code, text


def bodies(records: Sequence[bytes], max_bytes: int) -> Iterator[bytes]:
    """Yield the records in order, joined as far as they fit; one that is larger stands alone.

    >>> list(bodies([b"aa", b"b", b"cccc", b"d"], 3))
    [b'aab', b'cccc', b'd']
    """
    joined: list[bytes] = []
    size = 0
    for record in records:
        if joined and size + len(record) > max_bytes:
            yield b"".join(joined)
            joined, size = [], 0
        joined.append(record)
        size += len(record)
    if joined:
        yield b"".join(joined)
