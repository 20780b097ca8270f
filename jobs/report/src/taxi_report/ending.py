"""Commands that may be told to end, and then leave things in order."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from taxi_domain.runs import EXIT_FAILED
from taxi_runtime.process import command


class EndedError(BaseException):
    """The process was told to end; no handler of errors may keep it from that."""


@contextmanager
def endable(name: str, codes: Mapping[type[BaseException], int] | None = None) -> Iterator[None]:
    """Run a command that SIGTERM ends with an error, so that what it began is put in order.

    Args:
        name: What it makes.
        codes: As those of `command`.
    """

    def end(*_: object) -> None:
        # Once: what is put in order at the end is not to be broken off too.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise EndedError(
            f"{name}: was told to end (its deadline, or its pod had to go); make it again"
        )

    signal.signal(signal.SIGTERM, end)
    with command({EndedError: EXIT_FAILED, **(codes or {})}):
        yield
