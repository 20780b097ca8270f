"""Values of records that do not fit their column: counted, and named once in the log.

Such a record still counts in the windows; only the value is missing.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

logger = logging.getLogger(__name__)

PUSH: Final = "push"
LOG: Final = "log"
#: Records of predictors that are not this project's, which the monitor logs.
RECORDS: Final = "records"
#: Records of other servers' inference events.
EVENTS: Final = "events"
#: Rows that nobody predicts.
UNSERVED: Final = "rows"
#: Values that are remembered, so that reading a record again does not count it again.
_MAX_REMEMBERED: Final = 10_000


class Misfits:
    """What could not be read of records that were; safe for several threads.

    Args:
        counted: Called with the source and the field, once for each row and field.
    """

    def __init__(self, counted: Callable[[str, str], None] = lambda _source, _field: None) -> None:
        self._counted = counted
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._named: set[tuple[str, str, str]] = set()
        self._lock = threading.Lock()

    def add(self, source: str, version: str, row_id: str, problems: Mapping[str, str]) -> None:
        """Count what of a row does not fit, and name each kind of it once.

        Args:
            source: `PUSH` or `LOG`.
            version: Whose schema the record was read by.
            row_id: Of the row.
            problems: Reasons by field.
        """
        for field, reason in problems.items():
            if self._is_known(row_id, field):
                continue
            self._counted(source, field)
            if (version, field, reason) not in self._named:
                self._named.add((version, field, reason))
                logger.warning(
                    "values do not fit their column and count as missing",
                    extra={
                        "field": field, "reason": str(reason), "version": version,
                        "row_id": row_id,
                    },
                )  # fmt: skip

    def _is_known(self, row_id: str, field: str) -> bool:
        key = (row_id, field)
        with self._lock:
            if key in self._known:
                return True
            self._known[key] = None
            if len(self._known) > _MAX_REMEMBERED:
                self._known.popitem(last=False)
        return False
