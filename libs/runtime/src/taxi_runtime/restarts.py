"""How often workers of a server died: counted by its master, exported by whichever worker is asked.

A worker that dies takes its own counters along, or leaves them behind at what they were.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

from taxi_domain.metric import Metric


class Restarts(Collector):
    """A counter in a file, a byte for each worker that ended while its server went on.

    Args:
        file: Of this server alone.
        metric: Under which it is exported.
    """

    def __init__(self, file: Path, metric: Metric) -> None:
        self._file = file
        self._metric = metric

    def begin(self) -> None:
        """Count from zero, as the server's other counters do."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_bytes(b"")

    def ended(self, server: Any) -> None:
        """Count a worker that gunicorn's master has collected, unless all end."""
        if not server.LISTENERS:
            return
        # An error would end the master; a longer file with nothing in it needs no room on the disk.
        with contextlib.suppress(OSError):
            os.truncate(self._file, self._file.stat().st_size + 1)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the count."""
        count = self._file.stat().st_size
        yield CounterMetricFamily(self._metric.name, self._metric.help, count)
