"""The files of a model artifact (see `taxi_domain.models`), made from a fitted model.

No time of making is in it: the same rows and seed give the same digest.
"""

import importlib.metadata
import json
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taxi_domain.errors import TaxiError
from taxi_domain.figures import rounded
from taxi_domain.models import (
    ARTIFACT_FORMAT_VERSION,
    CARD_FILE,
    ONNX_FILE,
    PROFILE_FILE,
    REFERENCE_FILE,
    SCHEMA_FILE,
)
from taxi_profiles.evidence.borrowing import ENOUGH_ROWS, borrowing
from taxi_profiles.evidence.calibrate import calibrate
from taxi_profiles.evidence.calibration import NotCalibratedError, calibration_of
from taxi_profiles.reference import Reference, Sample, reference_of
from taxi_schema.column import Column, Drift, FeatureType, Kind
from taxi_schema.columns.arrays import Array, is_missing
from taxi_schema.columns.rows import LabelledRows, from_bytes, to_bytes
from taxi_schema.columns.slices import slices_of
from taxi_schema.schema import Schema
from taxi_store.registry.artifacts import Artifact, ArtifactError, artifact_of
from taxi_train.artifact.buckets import prediction_buckets
from taxi_train.data.rows import errors_by_slice
from taxi_train.seed import SEED

Floats = NDArray[np.float64]

_LIBRARIES: Final = ("numpy", "scikit-learn", "skl2onnx", "onnx", "onnxruntime")
#: A reference of fewer rows has no distribution.
MIN_REFERENCE_ROWS: Final = 2


class ReferenceRowsError(TaxiError):
    """Rows cannot be a model's reference."""


def artifact(
    schema: Schema,
    kind: str,
    graph: bytes,
    rows: LabelledRows,
    extra: dict[str, Any] | None = None,
) -> Artifact:
    """Put a model together.

    Args:
        schema: Of the model.
        kind: What the model is, for the card.
        graph: ONNX.
        rows: What it was trained on, with out-of-fold predictions within the target's limits;
            those with an event time, where the schema has one, become the reference.
        extra: More entries of the card.

    Raises:
        ReferenceRowsError: too few rows can be the reference.
    """
    timed = schema.event_time is not None
    kept = rows[np.isfinite(rows.moments)] if timed else rows
    if len(kept) < MIN_REFERENCE_ROWS or not np.isfinite(kept.prediction).all():
        of = f" with {schema.event_time.name}" if schema.event_time is not None else ""
        raise ReferenceRowsError(
            f"reference: {len(kept)} rows{of}, {MIN_REFERENCE_ROWS} with finite predictions are "
            "needed; give more rows"
        )
    errors = kept.prediction - kept.target
    card = {
        "format_version": ARTIFACT_FORMAT_VERSION,
        "kind": kind,
        "target": schema.target.name,
        "unit": schema.target.unit,
        "schema_sha256": schema.digest,
        "metrics": {
            "rmse": rounded(float(np.sqrt(np.mean(errors**2)))),
            "mae": rounded(float(np.mean(np.abs(errors)))),
            "rows": len(kept),
            "slices": errors_by_slice(schema, kept),
        },
        "data_window": {**_window(kept, timed), "rows": len(rows)},
        "prediction_buckets": prediction_buckets(kept.prediction),
        "seed": SEED,
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        **(extra or {}),
    }
    return artifact_of(
        {
            ONNX_FILE: graph,
            CARD_FILE: json.dumps(card, sort_keys=True, indent=1, allow_nan=False).encode(),
            SCHEMA_FILE: schema.to_json(),
            REFERENCE_FILE: to_bytes(kept),
            PROFILE_FILE: profile(schema, kept).to_bytes(),
        }
    )


def profile(schema: Schema, rows: LabelledRows, block_rows: int | None = None) -> Reference:
    """Return what the monitor compares with, the calibration of its evidence with it.

    Args:
        schema: Of the rows.
        rows: With finite out-of-fold predictions and, where the schema has one, event times.
        block_rows: Rows of a block of evidence; None leaves it to the number of rows.
    """
    sample = sample_of(schema, rows)
    reference = reference_of(sample)
    slices = slices_of(schema, rows.columns, rows.event_times)
    nullable = [column.name for column in schema.columns if column.nullable]
    calibration = calibrate(
        reference, sample, slices=slices, nullable=nullable, block_rows=block_rows
    )
    return replace(reference, evidence=calibration.arrays())


def after_champion(schema: Schema, candidate: Artifact, champion: Artifact) -> Artifact:
    """Return a candidate whose short reference borrows from that of the champion.

    Rows since a change are few; how far blocks of other days are from each other is what the
    champion's reference knows. With rows enough, or a champion without evidence, it stays as it is.
    """
    rows = reference_rows(schema, candidate)
    if len(rows) >= ENOUGH_ROWS:
        return candidate
    try:
        before = calibration_of(Reference.from_bytes(champion.files[PROFILE_FILE]))
    except NotCalibratedError:
        return candidate
    reference = profile(schema, rows, before.block_rows)
    borrowed = borrowing(calibration_of(reference), before)
    made = replace(reference, evidence=borrowed.arrays())
    return artifact_of({**candidate.files, PROFILE_FILE: made.to_bytes()})


def sample_of(schema: Schema, rows: LabelledRows) -> Sample:
    """Return the measured columns: context ones too, ignored ones not.

    Args:
        schema: Of the rows.
        rows: With finite predictions and, where the schema has one, event times.
    """
    measured = [column for column in schema.columns if column.drift is not Drift.IGNORED]
    numbers = [column for column in measured if column.kind is Kind.NUMBER]
    deciding = (column.name for column in measured if column.drift is Drift.DECIDES)
    return Sample(
        numeric={column.name: rows.columns[column.name] for column in numbers},
        categorical={
            column.name: _categories(column, rows.columns[column.name])
            for column in measured
            if column.kind is not Kind.NUMBER
        },
        prediction=rows.prediction,
        target=rows.target,
        moments=None if schema.event_time is None else rows.moments,
        deciding=frozenset(deciding),
    )


def reference_rows(schema: Schema, artifact: Artifact) -> LabelledRows:
    """Read the rows of an artifact's reference by a schema, which may be another one.

    Raises:
        ArtifactError: it has no reference that can be read.
    """
    try:
        return from_bytes(schema, artifact.files[REFERENCE_FILE])
    except (KeyError, ValueError) as error:
        raise ArtifactError(f"{REFERENCE_FILE}: cannot be read ({error!r})") from error


def _categories(column: Column, array: Array) -> Floats | list[str | None]:
    missing = is_missing(column, array)
    if column.type is FeatureType.STRING:
        return [text or None for text in array.tolist()]
    return np.where(missing, np.nan, array)


def _window(rows: LabelledRows, timed: bool) -> dict[str, str | None]:
    if not timed:
        return {"from": None, "to": None}
    first, last = rows.event_times.min(), rows.event_times.max()
    return {"from": _iso(first), "to": _iso(last)}


def _iso(moment: np.datetime64) -> str:
    return str(moment.astype("datetime64[s]"))
