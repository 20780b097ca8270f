"""The labelled rows of the log that the models of a run have not seen."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from taxi_schema.columns.rows import LabelledRows
from taxi_schema.schema import Schema
from taxi_store.log.labelled import LabelledRow, labelled_pieces
from taxi_store.log.malformed import Unreadable
from taxi_store.registry.artifacts import Artifact
from taxi_train.artifact.onnx_model import schema_of
from taxi_train.data.rows import within_limits
from taxi_train.data.views import Views, views_of
from taxi_train.runs.run import Run

Mask = NDArray[np.bool_]

logger = logging.getLogger(__name__)

#: Entry of a card: the answer time of the newest row of the log that the model has seen.
LOG_UNTIL = "log_until"


@dataclass(frozen=True, slots=True)
class UnseenRows:
    """Labelled rows of the log, oldest first.

    Attributes:
        everything: All that were read, by the candidate's schema.
        rows: Those that no model has seen and that are within the limits, by the same.
        views: As `rows`, by the schema of each model.
        numbers: For the run's report: rows that are used, that are outside of the limits, and
            documents that cannot be read.
    """

    everything: LabelledRows
    rows: LabelledRows
    views: Views
    numbers: dict[str, float]


def unseen_rows(
    run: Run, schema: Schema, seen_by: Sequence[Artifact], others: Sequence[Artifact], limit: int
) -> UnseenRows:
    """Read the log.

    Args:
        run: Whose log is read.
        schema: The candidate's.
        seen_by: Models whose own rows of the log are left out.
        others: Models that answer the rows too.
        limit: Most rows that are read.
    """
    unreadable = Unreadable()
    views = views_of(
        [schema, *map(schema_of, (*seen_by, *others))], _labelled(run, seen_by, limit, unreadable)
    )
    if unreadable.count:
        logger.warning("%d documents of the log cannot be read", unreadable.count)
    everything = views.of(schema)
    masks = [_unseen(artifact, everything) for artifact in seen_by]
    views = views[np.logical_and.reduce(masks)]
    unseen = views.of(schema)
    views = views[within_limits(schema, unseen)]
    rows = views.of(schema)
    numbers: dict[str, float] = {
        "labelled_rows": len(rows), "outside_rows": len(unseen) - len(rows),
        "unreadable_documents": unreadable.count,
    }  # fmt: skip
    logger.info(
        "%d labelled rows that %s has not seen; %d more are outside of the limits",
        len(rows), " or ".join(artifact.version for artifact in seen_by), len(unseen) - len(rows),
    )  # fmt: skip
    return UnseenRows(everything, rows, views, numbers)


def _labelled(
    run: Run, seen_by: Sequence[Artifact], limit: int, unreadable: Unreadable
) -> Iterator[list[LabelledRow]]:
    """Read rows that came after those that the models have seen, the newest first."""
    seen = [artifact.card[LOG_UNTIL] for artifact in seen_by if LOG_UNTIL in artifact.card]
    since = max(map(datetime.fromisoformat, seen), default=None)
    return labelled_pieces(run.database, run.model, limit=limit, unreadable=unreadable, since=since)


def _unseen(seen_by: Artifact, rows: LabelledRows) -> Mask:
    """Leave out the rows of the log that a model was trained on or chosen by."""
    until = seen_by.card.get(LOG_UNTIL)
    if until is None:
        return np.ones(len(rows), np.bool_)
    unseen: Mask = rows.answered > datetime.fromisoformat(until).timestamp()
    return unseen
