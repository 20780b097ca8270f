"""The traffic of an attempt: rows and labels of a table, sent beside what is done meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from taxi_domain.errors import TaxiError
from taxi_schema.schema import Schema
from taxi_stories.rows import bodies_of
from taxi_stories.sender import Addresses, Rate, Sender


class Traffic:
    """Sends rows with their labels meanwhile.

    Attributes:
        sender: What sends.
        thread: In which it does.
        failures: What ended it too early.
    """

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.failures: list[Exception] = []
        self.thread = threading.Thread(target=self._send, name="traffic", daemon=True)

    def _send(self) -> None:
        try:
            self.sender.run()
        except Exception as error:  # told by the thread that waits for the alarm
            self.failures.append(error)

    def check(self) -> None:
        """Raise what ended the traffic too early.

        Raises:
            TaxiError: it failed, or the predictor refuses every row.
        """
        if self.failures:
            raise TaxiError(f"traffic: {self.failures[0]!r}; nothing more is sent")
        done = self.sender.progress
        if not self.thread.is_alive() and done.refused == done.sent:
            fields = ", ".join(sorted(self.sender.refusals)) or "there are none"
            raise TaxiError(
                f"traffic: all {done.sent} rows are refused ({fields}); correct the schema or the "
                "data (`taxi-train check` tells why)"
            )


@contextmanager
def running_traffic(
    schema: Schema, table: pa.Table, addresses: Addresses, rate: float
) -> Iterator[Traffic]:
    """Send the rows of a table, so many a second, until they or the block end."""
    traffic = Traffic(
        Sender(
            bodies_of(schema, table),
            addresses,
            Rate(rate, batch_size=max(1, int(rate / 10)), label_delay_seconds=1),
            schema=schema,
        )
    )
    traffic.thread.start()
    try:
        yield traffic
    finally:
        traffic.sender.stop.set()
        traffic.thread.join(30)
