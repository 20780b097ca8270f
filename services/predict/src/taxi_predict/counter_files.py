"""The files through which the workers share their counters, read in spite of a torn one."""

import logging
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from prometheus_client import Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from taxi_domain import metrics as catalogue

logger = logging.getLogger(__name__)

#: What prometheus_client raises of a file that was cut off at any place.
_TORN: Final = (struct.error, RuntimeError, ValueError)


class CounterFiles(Collector):
    """Merges the files of all workers.

    A worker that is killed while it makes a file leaves an empty or a short one behind, and one
    that is just being made is no better: such a file is left out, and reported.

    Args:
        folder: Shared by the workers of a pod and its delivery.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        """Yield the merged metrics, and how many files could not be read."""
        files = sorted(self._folder.glob("*.db"))
        whole = [str(file) for file in files if _is_whole(file)]
        yield from _merged(whole)
        metric = catalogue.PREDICTOR_TORN_FILES
        yield GaugeMetricFamily(metric.name, metric.help, len(files) - len(whole))


def forget_worker(folder: Path, pid: int) -> None:
    """Remove the live gauges of a process that died, and what it left half made."""
    mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
    for file in folder.glob(f"*_{pid}.db"):
        if not _is_whole(file):
            logger.warning("a process died while it made its counters", extra={"file": file.name})
            file.unlink(missing_ok=True)


def _is_whole(file: Path) -> bool:
    """Tell whether a file can be read to its end; one that was removed meanwhile is not."""
    try:
        for _ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
            pass
    except (*_TORN, FileNotFoundError):
        return False
    return True


def _merged(files: list[str]) -> Iterable[Metric]:
    metrics: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
    return metrics
