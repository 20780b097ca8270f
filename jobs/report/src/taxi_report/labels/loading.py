"""Puts labels of files into the log: the first label of a row stays."""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pymongo.database import Database

from taxi_domain.records import Label
from taxi_files.ids import DoubledIds
from taxi_files.pieces import pieces_of
from taxi_report.labels.reading import LabelReader
from taxi_runtime.patience import patiently
from taxi_store.connection import Document
from taxi_store.log.malformed import Unreadable
from taxi_store.log.prediction_log import CHUNK, insert_labels, logged

logger = logging.getLogger(__name__)

#: Labels that are stored together; the monitor reads as many of one moment at once.
_BATCH: Final = CHUNK


@dataclass(slots=True)
class Loaded:
    """What became of the rows of all files.

    Attributes:
        rows: All.
        new: Labels that are stored now.
        repeated: Rows that had a label before, which stays.
        unknown: Labels whose row is not in the log; they wait there.
        refused: Rows by reason.
        doubled: Ids that came before in the same files.
    """

    rows: int = 0
    new: int = 0
    repeated: int = 0
    unknown: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    doubled: DoubledIds = field(default_factory=DoubledIds)


def load(
    database: Database[Document],
    files: Iterable[Path],
    reader: LabelReader,
    patience_seconds: float,
    by: str = "",
) -> Loaded:
    """Store the labels of files, one batch after the other.

    Args:
        database: Where the log is.
        files: Parquet and CSV.
        reader: Of the files.
        patience_seconds: How long MongoDB may be away.
        by: Who asks for it; empty: not known.

    Raises:
        DataFileError: a file cannot be read; the labels before are stored.
        NotAvailableError: MongoDB was away for longer; the labels before are stored.
    """
    loaded = Loaded()
    began = datetime.now(UTC)
    for path in files:
        for piece in pieces_of(path, reader.wanted, _BATCH):
            labels, refused = reader.read(piece, began)
            loaded.rows += piece.table.num_rows
            loaded.refused += refused
            doubled = loaded.doubled.add([label.row_id for label in labels])
            first = [label for label, again in zip(labels, doubled, strict=True) if not again]
            _store(database, first, patience_seconds, loaded, by)
        logger.info("%s: %d rows so far", path, loaded.rows)
    return loaded


def _store(
    database: Database[Document],
    labels: list[Label],
    patience_seconds: float,
    loaded: Loaded,
    by: str,
) -> None:
    done, _ = patiently(
        patience_seconds,
        lambda: insert_labels(database, labels, datetime.now(UTC), Unreadable(), by),
    )
    row_ids = [label.row_id for label in labels]
    known = patiently(patience_seconds, lambda: logged(database, row_ids))
    loaded.new += done.inserted
    loaded.repeated += done.repeated
    loaded.unknown += len(labels) - len(known)
