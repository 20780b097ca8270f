"""A prediction log of real rides, as the predictor and the monitor would have written it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from pymongo.database import Database

from support.taxi_artifacts import answers_to, rows_of
from support.taxi_columns import SCHEMA
from taxi_domain.models import MODEL_NAME, Alias, ModelState
from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_domain.records import LABEL_VALUE, PredictionRecord
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.records import inputs_of
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.connection import Document
from taxi_store.registry.artifacts import Artifact
from taxi_store.registry.registry import Registry

_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: when the first and after the last ride was answered."""

    start: datetime
    end: datetime
    rows: int
    labelled: int


def register(database: Database[Document], artifact: Artifact, now: datetime) -> str:
    """Put an artifact into the registry as the champion; return its version."""
    ensure_indexes(database)
    registry = Registry(database)
    version = registry.add(artifact, model=MODEL_NAME, state=ModelState.ACCEPTED, now=now)
    registry.move_alias(MODEL_NAME, Alias.CHAMPION, to=version, expected=None, by="test", now=now)
    return version


def write_rides(  # noqa: PLR0913 - one keyword for each way to vary the log
    database: Database[Document],
    rides: LabelledRows,
    artifact: Artifact,
    *,
    labelled: float = 1.0,
    shift: timedelta = timedelta(),
    prefix: str = "ride",
) -> Written:
    """Log rides as answered when they began.

    Args:
        database: Where to.
        rides: In the order of time.
        artifact: The version that answered (`support.taxi_artifacts`).
        labelled: Share of the rides that get a label, two hours later: the first of every ten, say.
        shift: How much later they were answered than they began.
        prefix: Of the ids.
    """
    assert SCHEMA.event_time is not None
    zone = SCHEMA.event_time.zone
    documents, labels = [], []
    first = last = None
    count = 0
    answers = answers_to(rides).tolist()
    for number, (row, answer) in enumerate(zip(rows_of(rides), answers, strict=True)):
        assert row.event_time is not None
        ts = (row.event_time + shift).replace(tzinfo=zone).astimezone(UTC) + timedelta(
            milliseconds=number % 1000
        )
        first = ts if first is None else min(first, ts)
        last = ts if last is None else max(last, ts)
        row_id = f"{prefix}-{number:08d}"
        record = PredictionRecord(
            row_id, ts, row.event_time, MODEL_NAME, artifact.version, "champion",
            inputs_of(SCHEMA, row), answer, 0.002,
        )  # fmt: skip
        documents.append({**record.to_document(), "stored_at": ts})
        if (number % 100) < labelled * 100:
            labels.append(_label(row_id, float(rides.target[number]), ts + timedelta(hours=2)))
            count += 1
        if len(documents) == _BATCH:
            _flush(database, documents, labels)
    _flush(database, documents, labels)
    assert first is not None
    assert last is not None
    return Written(first, last + timedelta(milliseconds=1), len(rides), count)


def _flush(database: Database[Document], documents: list[Document], labels: list[Document]) -> None:
    for name, found in ((PREDICTIONS, documents), (LABELS, labels)):
        if found:
            database[name].insert_many(found, ordered=False)
        found.clear()


def _label(row_id: str, value: float, ts: datetime) -> Document:
    return {"_id": row_id, LABEL_VALUE: value, "ts": ts, "stored_at": ts}


def at_random(rides: LabelledRows, rows: int, seed: int) -> LabelledRows:
    """Return rides drawn with replacement, in the order of time."""
    places = np.sort(np.random.default_rng(seed).integers(0, len(rides), rows))
    return rides[places]
