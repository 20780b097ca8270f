"""Names refused items in the log, seldom: clients that send nonsense must not fill it."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from taxi_domain.logs import ROW_ID

logger = logging.getLogger(__name__)

#: Between two lines of the same kind of item and field.
_SECONDS: Final = 60.0
#: Kinds of lines; all others are one. Fields that clients name have no end.
_MAX_KINDS: Final = 100
OTHER: Final = "other"
_MAX_ID: Final = 128


class RefusedLines:
    """One line a minute for each field at fault, with the newest row's id; for several threads.

    Values of rows are no part of it: they are data, which the log of a process is not kept as.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._due: dict[tuple[str, str], float] = {}
        self._more: dict[tuple[str, str], int] = {}

    def tell(self, what: str, field: str, row_id: Callable[[], object]) -> None:
        """Log a refused item, unless one like it was logged just now.

        Args:
            what: Kind of item.
            field: At fault.
            row_id: Returns its id, asked only for a line.
        """
        with self._lock:
            kind = (what, field)
            if kind not in self._due and len(self._due) >= _MAX_KINDS:
                kind = (what, OTHER)
            now = self._clock()
            if now < self._due.get(kind, now):
                self._more[kind] = self._more.get(kind, 0) + 1
                return
            self._due[kind] = now + _SECONDS
            more = self._more.pop(kind, 0)
        found = row_id()
        given = {ROW_ID: found[:_MAX_ID]} if isinstance(found, str) and found else {}
        logger.warning(
            "%s is refused", what, extra={"field": kind[1], "more_before": more, **given}
        )
