"""References of any schema, made in milliseconds: their thresholds are constants."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

from support.artifacts import random_rows, sample_of
from taxi_profiles.calibration import Thresholds
from taxi_profiles.reference import Reference, reference_of
from taxi_schema.schema import Schema

_CALIBRATE = ("taxi_profiles.reference.calibrate", "taxi_profiles.errors.calibrate")


def reference_for(schema: Schema, rows: int = 60) -> Reference:
    """Return the reference of random rows.

    Calibration takes a second for each column and has tests of its own, so it is left out.
    """
    sampled = random_rows(schema, rows)
    target = np.arange(rows) % 7 + 1.0
    sample = sample_of(schema, sampled, target + 0.5, target)
    with constant_thresholds():
        return reference_of(sample)


@contextmanager
def constant_thresholds() -> Iterator[None]:
    """Leave out the calibration of references that are made meanwhile."""
    with patch(_CALIBRATE[0], _constants), patch(_CALIBRATE[1], _constants):
        yield


def _constants(
    _rows: int, score: Callable[[slice], Mapping[str, float]], scales: Mapping[str, Any], *_: Any
) -> dict[str, Thresholds]:
    return {name: Thresholds(np.array([1.0, 1e6]), np.array([0.3, 0.1])) for name in scales}
