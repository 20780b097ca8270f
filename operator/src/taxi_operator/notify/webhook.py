"""Sending a notice: one signed POST."""

from collections.abc import Callable

from taxi_operator.adapters.receiver import Receiver
from taxi_operator.notify.notice import Notice, body_of, headers_of


class Webhook:
    """Sends notices to the platform's receiver.

    Args:
        receiver: Where they go.
        cluster: Name of the cluster, which each of them has.
        clock: Present time, seconds since the epoch.
    """

    def __init__(self, receiver: Receiver, cluster: str, clock: Callable[[], float]) -> None:
        self._receiver = receiver
        self._cluster = cluster
        self._clock = clock

    async def send(self, notice: Notice) -> None:
        """Try once.

        Raises:
            NotAvailableError: it was not taken, or nobody knows whether it was.
        """
        now = self._clock()
        body = body_of(notice, self._cluster, now)
        await self._receiver.post(body, headers_of(notice, body, self._receiver.key(), now))

    async def close(self) -> None:
        """Close the connections."""
        await self._receiver.close()
