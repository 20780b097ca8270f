"""CPU time and memory of processes."""

import ctypes
import re
import time
from collections.abc import Iterable
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time that processes used, all their threads together.

    The kernel's clocks of processes count nanoseconds; /proc/PID/stat, hundredths of a second, is
    too coarse for a round of one second.
    """
    return sum(time.clock_gettime_ns(_clock_of(pid)) for pid in pids) / 1e9


def _clock_of(pid: int) -> int:
    clock = ctypes.c_int()
    if code := _libc.clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise OSError(code, f"process {pid} has no clock")
    return clock.value


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process (Rss), MiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Rss:\s+(\d+) kB", text, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024
