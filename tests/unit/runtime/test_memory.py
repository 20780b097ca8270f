"""What threads free is given back: in a process of its own, as it is set for a whole process."""

import subprocess
import sys

import pytest

#: Threads take and free pages of some megabytes; what stays resident behind them is printed, MiB.
_PROGRAM = """
import sys, threading
from pathlib import Path
from taxi_runtime.memory import keep_little

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) / 256

if sys.argv[1] == "little":
    keep_little()
begin = resident()
kept = []

def work():
    pages = [bytearray(1_500_000) for _ in range(20)]
    kept.append(bytearray(50_000))  # holds up the end of the heap

bytearray(20_000_000)  # glibc takes all smaller ones from the heap after that
for turn in range(4):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
print(resident() - begin)
"""


def growth(kind: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, kind],
        env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_what_threads_free_is_given_back() -> None:
    assert growth("little") < 10
    assert growth("usual") > 25
