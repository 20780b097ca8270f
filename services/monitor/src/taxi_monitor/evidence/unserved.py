"""Evidence of rows that nobody predicts: their inputs against the champion's reference.

They have no answer and never a label, so streams of answers and errors have no place; their blocks
are kept under a version of their own.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

import numpy as np
from pymongo.database import Database

from taxi_domain.documents import Reader
from taxi_domain.errors import FieldError
from taxi_domain.ids import check_stored_id
from taxi_domain.models import Alias
from taxi_domain.mongodb import ROWS
from taxi_domain.records import EVENT_TIME, INPUTS, PredictionRecord
from taxi_monitor.evidence.log_order import LabelsRead
from taxi_monitor.evidence.pieces import Piece, milliseconds_of, sorted_piece
from taxi_monitor.records.batch import batch_of
from taxi_monitor.windows.misfits import UNSERVED
from taxi_monitor.windows.reader import RowReader
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import WatchedVersion
from taxi_profiles.evidence.calibration import Calibration
from taxi_profiles.evidence.signals import ESTIMATED_HARM
from taxi_profiles.evidence.streams import Group, Side, score_of
from taxi_profiles.evidence.tables import TableModel
from taxi_profiles.reference import PREDICTION
from taxi_store.connection import Document
from taxi_store.log.malformed import Unreadable
from taxi_store.log.prediction_log import CHUNK
from taxi_store.log.stored_order import Place, unserved_after, unserved_between

#: Role of the rows in metrics and on the page.
ROLE: Final = "rows"


def unserved_version(version: str) -> str:
    """Return the version under which their blocks are kept."""
    return f"{version}/{ROLE}"


def judged_of(served: State, rows: State | None) -> list[tuple[str, WatchedVersion]]:
    """Return what is judged, by the version under which its blocks are kept.

    The champion comes behind others: a version that has both roles is judged as it.

    Args:
        served: State of what is served.
        rows: Of the rows that nobody predicts; None where they are not watched.
    """
    known = sorted(served.watched(), key=lambda one: one.role == Alias.CHAMPION)
    apart = [] if rows is None else rows.watched()
    return [
        *((one.version, one) for one in known),
        *((unserved_version(one.version), one) for one in apart),
    ]


def without_answers(calibration: Calibration) -> Calibration:
    """Return what rows without an answer are compared with.

    A stream that never has a score would count as evidence by and by.
    """

    def is_of_answers(stream: str) -> bool:
        score = score_of(stream)
        return score.side is Side.ROWS and score.group is Group.OUTPUTS

    return replace(
        calibration,
        models=replace(calibration.models, error=TableModel(0.0, ())),
        tables={name: one for name, one in calibration.tables.items() if name != PREDICTION},
        scores={name: one for name, one in calibration.scores.items() if not is_of_answers(name)},
        problems={
            name: one for name, one in calibration.problems.items()
            if name not in {PREDICTION, ESTIMATED_HARM}
        },
    )  # fmt: skip


def records_of(
    documents: Iterable[Document], model: str, version: str, unreadable: Unreadable
) -> Iterator[tuple[PredictionRecord, Document]]:
    """Yield the rows of a model as records without an answer, each with its document.

    Args:
        documents: Of the collection of such rows.
        model: Name of the model; rows of others are passed over.
        version: That their records name.
        unreadable: Is told what cannot be read; it is left out.
    """
    for document in documents:
        try:
            reader = Reader(document)
            if reader.text("model") != model:
                continue
            record = PredictionRecord(
                check_stored_id(document.get("_id"), "_id"), reader.time("ts"),
                reader.local_time(EVENT_TIME), model, version, ROLE, reader.scalars(INPUTS),
                math.nan,
            )  # fmt: skip
        except FieldError as error:
            unreadable.add(ROWS, document.get("_id"), error)
        else:
            yield record, document


class UnservedOrder:
    """Reads the rows in the order of storing, as `LogOrder` the log.

    Args:
        database: Where they are.
        model: Name of the model.
        reader: Of the champion, under the rows' version.
        unreadable: Is told what cannot be read; it is left out.
        since: When the version became champion: rows of before are not compared with it.
        turned: Called before each page; what it raises ends the reading.
    """

    def __init__(  # noqa: PLR0913 - as `LogOrder`
        self,
        database: Database[Document],
        model: str,
        reader: RowReader,
        unreadable: Unreadable,
        *,
        since: datetime,
        turned: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._model = model
        self._reader = reader
        self._unreadable = unreadable
        self._since = since
        self._turned = turned
        self.labels_read: Callable[[LabelsRead], None] = lambda _: None

    def rows(self, begin: datetime, after: Place | None, end: datetime) -> Iterator[Piece]:
        """Yield the rows that were stored from a time on, behind a place of it, and before another.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        begin = max(begin, self._since)
        while begin < end:
            self._turned()
            part = unserved_between(self._database, self._model, begin, end, CHUNK)
            version = self._reader.version
            found = list(records_of(part.items, self._model, version, self._unreadable))
            batch = batch_of([record for record, _ in found])
            stored = [milliseconds_of(document["stored_at"]) for _, document in found]
            places = np.arange(len(batch))
            rows = self._reader.rows_of(batch, places, np.full(len(batch), np.nan), UNSERVED)
            yield sorted_piece(np.array(stored, np.int64), rows.ids, rows.ts, rows.table, after)
            begin = part.end

    def count_after(self, after: Place | None, last: Place) -> int:
        """Count the rows between two places of the log, of those that `rows` yields.

        Raises:
            StoreUnavailableError: MongoDB does not answer in time.
        """
        begin = Place(self._since, "")
        after = begin if after is None else max(after, begin)
        return unserved_after(self._database, self._model, after, last)

    def labelled(self, begin: datetime, after: Place | None, end: datetime) -> Iterator[Piece]:
        """Yield nothing: no such row has a label."""
        del begin, after, end
        return iter(())
