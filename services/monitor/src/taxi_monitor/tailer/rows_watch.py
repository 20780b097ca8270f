"""Windows of the rows that nobody predicts: compared with the champion's reference.

They are followed in MongoDB like the log, in a state of their own, so that they meet neither rows
that were served nor labels.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial

from pymongo.database import Database

from taxi_domain.errors import TaxiError
from taxi_domain.models import Alias
from taxi_domain.mongodb import ROWS
from taxi_monitor.evidence.unserved import ROLE, records_of
from taxi_monitor.tailer.follower import Follower
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import watched_version
from taxi_store.connection import Document
from taxi_store.log import rows as stored_rows
from taxi_store.log.malformed import Unreadable
from taxi_store.log.prediction_log import Stored, count_stored, tail

logger = logging.getLogger(__name__)


class RowsWatch:
    """Keeps the window up to date.

    Args:
        database: Where the rows are.
        model: Name of the model.
        served: The state of what is served; its champion's reference is taken.
        state: Of the rows; empty until there are any.
        window_rows: Size of the window.
        unreadable: Is told what cannot be read.
        clock: Seconds since the epoch.
    """

    def __init__(  # noqa: PLR0913 - one keyword for each part
        self,
        database: Database[Document],
        model: str,
        served: State,
        state: State,
        *,
        window_rows: int,
        unreadable: Unreadable,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._model = model
        self._served = served
        self._state = state
        self._window_rows = window_rows
        self._unreadable = unreadable
        self._clock = clock
        self._follower = Follower(self._now)

    def look(self) -> None:
        """Take what was posted since the last look, and evaluate the window."""
        try:
            self._catch_up()
            self._state.problem = ""
        except TaxiError as error:
            if self._state.problem != str(error):
                logger.warning("rows are not followed", extra={"reason": str(error)})
            self._state.problem = str(error)
        self._state.evaluate(self._clock)

    def _catch_up(self) -> None:
        champion = next((one for one in self._served.watched() if one.role == Alias.CHAMPION), None)
        if champion is None:
            return
        if self._state.version_of(ROLE) != champion.version:
            begin = self._now()
            newest = stored_rows.newest_rows(self._database, self._model, self._window_rows)
            if not newest:
                return
            window = watched_version(
                ROLE, champion.reader, window_rows=self._window_rows, error_window_rows=1
            )
            self._state.watch(ROLE, window)
            self._follower.rewind(begin)
            self._take(newest)
        self._follower.follow(
            lambda since: tail(self._database, ROWS, since, self._unreadable),
            partial(count_stored, self._database, ROWS), self._take_stored,
        )  # fmt: skip

    def _take_stored(self, stored: list[Stored]) -> None:
        self._take(stored_rows.rows_of(self._database, (one.row_id for one in stored)))

    def _take(self, documents: Iterable[Document]) -> None:
        version = self._state.version_of(ROLE)
        if version is not None:
            found = records_of(documents, self._model, version, self._unreadable)
            self._state.ingest([record for record, _ in found])

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
