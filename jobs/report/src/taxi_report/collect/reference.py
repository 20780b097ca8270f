"""What a model version brings along: its schema, its reference, and how rows are profiled by it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymongo.database import Database

from taxi_domain.errors import TaxiError
from taxi_domain.models import PROFILE_FILE, REFERENCE_FILE, SCHEMA_FILE
from taxi_profiles.reference import PREDICTION, Reference
from taxi_report.collect.columns import coded
from taxi_report.profile.layout import Layout, layout_of
from taxi_report.rows import Rows
from taxi_schema.column import FeatureType, Kind
from taxi_schema.columns.arrays import is_missing
from taxi_schema.columns.rows import LabelledRows, from_bytes
from taxi_schema.errors import SchemaError
from taxi_schema.reading import schema_of_json
from taxi_store.connection import Document
from taxi_store.registry.artifacts import Artifact
from taxi_store.registry.registry import Registry

Floats = NDArray[np.float64]


class NoReferenceError(TaxiError):
    """A version has no reference that can be used."""


@dataclass(frozen=True, slots=True)
class Known:
    """A version's reference: its summary, and the rows that it was made of."""

    reference: Reference
    rows: Rows
    layout: Layout


def known_version(
    database: Database[Document], version: str, start: float, end: float, sample_rows: int
) -> Known:
    """Load what a version brings along.

    Args:
        database: Where the registry is.
        version: Model version.
        start: Begin of the span, seconds since the epoch.
        end: End of the span.
        sample_rows: Rows of the sample.

    Raises:
        TaxiError: the version or its artifact is gone, or it has no reference.
        StoreUnavailableError: MongoDB does not answer.
    """
    artifact = Registry(database).load(version)
    return known_of(artifact, version, (start, end), sample_rows)


def known_of(
    artifact: Artifact, version: str, span: tuple[float, float], sample_rows: int
) -> Known:
    """Return what an artifact brings along.

    Raises:
        NoReferenceError: a file is absent or damaged.
    """
    files = artifact.files
    missing = {SCHEMA_FILE, PROFILE_FILE, REFERENCE_FILE} - set(files)
    if missing:
        raise NoReferenceError(f"{version}: has no {', '.join(sorted(missing))}; train it anew")
    try:
        schema = schema_of_json(files[SCHEMA_FILE])
        reference = Reference.from_bytes(files[PROFILE_FILE])
        labelled = from_bytes(schema, files[REFERENCE_FILE])
    except (SchemaError, ValueError) as error:
        raise NoReferenceError(f"{version}: {error}; train it anew") from error
    layout = layout_of(version, schema, reference, span=span, sample_rows=sample_rows)
    return Known(reference, rows_of_reference(labelled, layout), layout)


def rows_of_reference(labelled: LabelledRows, layout: Layout) -> Rows:
    """Return the rows of a reference as rows of a report.

    They have no id and no time of an answer of their own: their places and event times are as good.
    """
    moments = np.where(np.isfinite(labelled.moments), labelled.moments, 0.0)
    ids = [f"{place:09d}" for place in range(len(labelled))]
    return rows_of_labelled(
        labelled, layout, ids=ids, moments=moments, ts=moments, role="reference"
    )


def rows_of_labelled(  # noqa: PLR0913 - what rows without an answer of their own have instead
    labelled: LabelledRows,
    layout: Layout,
    *,
    ids: list[str],
    moments: Floats,
    ts: Floats,
    role: str,
) -> Rows:
    """Return labelled rows as rows of a report.

    Args:
        labelled: The rows.
        layout: Of the version.
        ids: Of the rows.
        moments: Local event times, finite, also of rows without one.
        ts: What stands for the answer times, seconds since the epoch.
        role: What stands for the version's role.
    """
    rows = len(labelled)
    columns: dict[str, Floats] = {}
    texts: dict[str, dict[float, str]] = {}
    for column, own in layout.inputs:
        array = labelled.columns[column.name]
        if column.kind is Kind.NUMBER:
            columns[column.name] = array
        elif column.type is FeatureType.STRING:
            columns[column.name], unseen = coded(column, own.names, array.tolist())
            if unseen:
                texts[column.name] = unseen
        else:
            columns[column.name] = np.where(is_missing(column, array), np.nan, array)
    unknown = np.full(rows, np.nan)
    return Rows(
        ids=ids, ts=ts, moments=moments, timed=np.isfinite(labelled.moments), roles=[role] * rows,
        columns={**columns, PREDICTION: labelled.prediction}, labels=labelled.target,
        lags=unknown, latencies=unknown, texts=texts,
    )  # fmt: skip
