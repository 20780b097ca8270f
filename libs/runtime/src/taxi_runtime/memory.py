"""How the C library keeps memory: what many threads free is given back."""

import ctypes
from typing import Final

#: As glibc's <malloc.h> numbers them.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
_KEPT_BYTES: Final = 4 * 1024 * 1024
_LARGE_BYTES: Final = 1024 * 1024


def keep_little() -> None:
    """Let all threads share one heap, and give back what is free at its end.

    By itself glibc gives each thread a heap of its own, and after one large array keeps all that
    are freed: in a process whose threads take turns at pages of some megabytes that was 30 MiB.
    Call it before there are threads. Another C library is left as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_ARENA_MAX, 1)
    mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
