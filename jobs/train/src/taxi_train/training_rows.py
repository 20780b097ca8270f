"""Rows of a file that a model can be trained on."""

import logging
from datetime import datetime
from pathlib import Path

import numpy as np

from taxi_files.reading import DataFileError, read_file
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.schema import Schema
from taxi_train.data.quality import QualityRules, usable

logger = logging.getLogger(__name__)


def training_rows(
    schema: Schema, path: Path, start: datetime | None = None, end: datetime | None = None
) -> LabelledRows:
    """Read a file, check it, and return the rows within the limits, in the order of time.

    Args:
        schema: Of the model.
        path: Parquet or CSV.
        start: Only rows whose event time is at or after this local time, or not known.
        end: Only rows whose event time is before this local time, or not known.

    Raises:
        DataFileError: it cannot be read by the schema, or no row is left.
        DataQualityError: its rows must not be trained on.
    """
    file = read_file(schema, path)
    rows = file.rows(schema)
    times, chosen = rows.event_times, np.ones(len(rows), np.bool_)
    if start is not None:
        chosen &= np.isnat(times) | (times >= np.datetime64(start, "us"))
    if end is not None:
        chosen &= np.isnat(times) | (times < np.datetime64(end, "us"))
    rows, trainable = rows[chosen], file.trainable(schema)[file.order][chosen]
    if not len(times):
        raise DataFileError(f"{path}: has no row; give another file")
    if not len(rows):
        raise DataFileError(f"{path}: has no row of these dates; look at --from and --to")
    kept = usable(schema, rows, QualityRules(), trainable)
    logger.info(
        "%d rows to train on; %d would be refused or have no label within the limits",
        len(kept), len(rows) - len(kept),
    )  # fmt: skip
    return kept
