"""Rows of a made-up model for tests of the evidence: a number that depends on a category."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from taxi_profiles.evidence.calibrate import calibrate
from taxi_profiles.evidence.calibration import Calibration
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference, Sample

ZONES = 30
#: Rows of an hour.
PACE = 40
#: 2021-01-04, a Monday.
START = 18_631 * 86_400.0


def columns(rows: int, seed: int, first: int = 0) -> dict[str, Any]:
    """Return rows in the order of time, with answers and labels."""
    rng = np.random.default_rng(seed)
    moments = START + (first + np.arange(rows)) * 3600.0 / PACE
    shares = np.geomspace(1.0, 0.02, ZONES)
    zone = rng.choice(ZONES, rows, p=shares / shares.sum()).astype(np.float64)
    distance = np.exp(0.5 + zone / 20 + rng.normal(0, 0.25, rows))
    prediction = 2 + 4 * distance
    target = prediction + rng.normal(0, 1 + 0.3 * distance)
    return {
        "distance": distance, "zone": zone, PREDICTION: prediction, TARGET: target, MOMENT: moments,
    }  # fmt: skip


def sample_of(made: Mapping[str, Any], deciding: frozenset[str] | None = None) -> Sample:
    """Return rows as a reference takes them."""
    return Sample(
        numeric={"distance": made["distance"]},
        categorical={"zone": made["zone"]},
        prediction=made[PREDICTION],
        target=made[TARGET],
        moments=made[MOMENT],
        deciding=frozenset({"distance", "zone"}) if deciding is None else deciding,
    )


def reference_like(sample: Sample) -> Reference:
    """Return a reference of codes that stand for themselves, without profiles of columns."""
    return Reference(
        rows=len(sample.target), timed=sample.moments is not None, deciding=sample.deciding,
        categories={}, numeric={}, categorical={}, stratified={}, thresholds={}, error=None,
    )  # fmt: skip


def calibrated(made: Mapping[str, Any], **options: Any) -> Calibration:
    """Return the calibration of rows."""
    sample = sample_of(made)
    return calibrate(reference_like(sample), sample, **options)


def part(made: Mapping[str, Any], start: int, end: int) -> dict[str, Any]:
    """Return some rows."""
    return {name: column[start:end] for name, column in made.items()}
