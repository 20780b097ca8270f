"""What a model version brings along: its reference, and how rows are profiled by it."""

import io
from dataclasses import dataclass

import numpy as np
from pymongo.database import Database

from taxi_domain.durations import TARGET_MAXIMUM, TARGET_MINIMUM
from taxi_domain.errors import TaxiError
from taxi_domain.models import PROFILE_FILE, REFERENCE_FILE
from taxi_profiles.reference import MOMENT, TARGET, Reference
from taxi_report.profile.layout import Layout, layout_of
from taxi_report.rows import Rows
from taxi_store.connection import Document
from taxi_store.registry.artifacts import Artifact
from taxi_store.registry.registry import Registry


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
    missing = {PROFILE_FILE, REFERENCE_FILE} - set(artifact.files)
    if missing:
        raise NoReferenceError(f"{version}: has no {', '.join(sorted(missing))}; train it anew")
    try:
        reference = Reference.from_bytes(artifact.files[PROFILE_FILE])
        rows = reference_rows(artifact)
    except ValueError as error:
        raise NoReferenceError(f"{version}: {error}; train it anew") from error
    layout = layout_of(
        version, reference, start=start, end=end,
        target_limits=(TARGET_MINIMUM, TARGET_MAXIMUM), sample_rows=sample_rows,
    )  # fmt: skip
    return Known(reference, rows, layout)


def reference_rows(artifact: Artifact) -> Rows:
    """Return the rows of an artifact's reference.

    Raises:
        ValueError: it is no archive of columns of one length.
    """
    try:
        with np.load(io.BytesIO(artifact.files[REFERENCE_FILE]), allow_pickle=False) as opened:
            columns = {name: opened[name].astype(np.float64) for name in opened.files}
        moments, labels = columns.pop(MOMENT), columns.pop(TARGET)
    except (KeyError, OSError, EOFError) as error:
        raise ValueError(f"not a reference: {error!r}") from error
    rows = len(moments)
    if any(len(one) != rows for one in (labels, *columns.values())):
        raise ValueError("not a reference: its columns differ in length")
    unknown = np.full(rows, np.nan)
    # Rows of a reference have no id of their own; their places are as good.
    return Rows(
        ids=[f"{place:09d}" for place in range(rows)],
        ts=moments, moments=moments, timed=np.ones(rows, np.bool_), roles=["reference"] * rows,
        columns=columns, labels=labels, lags=unknown, latencies=unknown,
    )  # fmt: skip
