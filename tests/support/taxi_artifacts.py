"""Artifacts of the taxi example with a reference of real rides, without training."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from support.artifacts import Linear, artifact_for
from support.taxi_columns import DISTANCE, SCHEMA, usual
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.rows import Row
from taxi_store.registry.artifacts import Artifact

#: Minutes at no distance, and more of them for a mile.
_START, _MILE = 5.0, 3.2


def taxi_artifact(rides: LabelledRows, **parts: Any) -> Artifact:
    """Return an artifact whose graph answers 5 minutes and 3.2 more for each mile.

    Args:
        rides: Its reference; those that a request could not send are left out.
        parts: As of `artifact_for`.
    """
    known = usual(rides)
    return artifact_for(
        SCHEMA, Linear(_START, {DISTANCE: _MILE}), rows_of(known), known.target.tolist(), **parts
    )


def answers_to(rides: LabelledRows) -> NDArray[np.float64]:
    """Return that graph's answers, minutes."""
    return np.clip(_START + _MILE * rides.columns[DISTANCE], 1.0, 60.0)


def rows_of(rides: LabelledRows) -> list[Row]:
    """Return rides as rows."""
    values = zip(*(rides.columns[column.name].tolist() for column in SCHEMA.columns), strict=True)
    return [
        Row(row, event_time=moment)
        for row, moment in zip(values, rides.event_times.tolist(), strict=True)
    ]
